"""What people and other systems are told: stored with what caused it, delivered after the commit, at least once."""
