"""The datasets' files, images as tensors, and what is done to their pixels. Knows no rule."""
