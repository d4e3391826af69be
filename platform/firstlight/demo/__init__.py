"""Real public data, loaded through the front door."""
