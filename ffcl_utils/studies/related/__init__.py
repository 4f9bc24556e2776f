"""What the notebooks of related works compare: settings, runs, tables, apart from the core."""
