"""Discovery campaigns: posteriors, draw tables, slots, learning, off-policy evaluation."""
