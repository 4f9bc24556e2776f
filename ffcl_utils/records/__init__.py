"""What a run leaves beside its executed notebook, where it came from, and its comparison with another."""
