"""The claims of the papers, the judges of their metrics, and the tables of verdicts."""
