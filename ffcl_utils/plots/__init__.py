"""Arrays in, figures out. No file is written here."""
