"""User / merchant / platform weights by scenario and journey stage."""
