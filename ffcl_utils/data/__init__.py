"""Datasets: the files and their checksums, images as tensors, what is done to their pixels. Knows no rule."""
