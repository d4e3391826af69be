"""What the methods promise, counted over many simulated experiments: `python -m tests.statistics` prints the table."""
