"""Metric definitions -> one Ibis expression -> moments per arm; per-scenario metrics."""
