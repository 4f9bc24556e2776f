"""Arrays in, arrays and tables out. Knows no rule and no notebook."""
