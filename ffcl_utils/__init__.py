"""Learning without backpropagation: the code behind the companion's notebooks."""
