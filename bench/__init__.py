"""Benchmarks: each prints its figure and its ratio to a named reference, timed in the same run."""
