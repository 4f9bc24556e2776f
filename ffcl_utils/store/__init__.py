"""Trained networks as files, each made once. Knows rules by name only, and no notebook."""
