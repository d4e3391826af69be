"""What every door shares: problem documents, bounded bodies, pages of a list."""
