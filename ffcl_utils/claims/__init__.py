"""The claims of the papers as data, the judges of their metrics, and the tables of verdicts."""
