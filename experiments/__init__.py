"""A/B tests: assignment, statistics, health checks, verdict, lifecycle, analysis."""
