"""What one notebook needs beyond analysis: its comparisons, metrics and tables."""
