"""Statistics of A/B tests. Pure: moments in, estimates or `Withheld` out."""
