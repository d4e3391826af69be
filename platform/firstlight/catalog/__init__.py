"""Scenarios, items, merchants, categories."""
