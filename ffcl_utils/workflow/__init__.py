"""Which runs there are, what is missing of them, and how notebooks and trainings are started."""
