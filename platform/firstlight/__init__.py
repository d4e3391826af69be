"""Firstlight: experiments and product discovery for e-commerce recommenders."""

__version__ = "0.1.0"
