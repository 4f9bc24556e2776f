"""Analyses: arrays in, arrays and tables out."""
