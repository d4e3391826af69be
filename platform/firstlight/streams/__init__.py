"""Whom to tell that something changed: clients of OpenFeature and GrowthBook that wait on a stream.

A process of its own: a stream is held for hours, and one of the few threads that answer requests would be held with it.
"""
