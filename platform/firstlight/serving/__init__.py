"""The hot path: allocations, events, the decision log."""
