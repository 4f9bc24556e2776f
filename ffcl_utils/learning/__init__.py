"""What rules are made of: layers, losses, pairs, goodness, the training loop. Knows no rule."""
