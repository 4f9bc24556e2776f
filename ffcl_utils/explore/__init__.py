"""The panels of the notebooks to explore, and what they show of trained networks."""
