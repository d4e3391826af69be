"""What an effect is worth in a day, when everybody gets it."""

from firstlight.stats.estimates import Estimate


def per_day(difference: Estimate, units: int, traffic: float, days: float) -> Estimate:
    """Metric units a day: `units` of all arms came in `days` days on `traffic`, a share of all (0 to 1]."""
    scale = units / (traffic * days)
    return Estimate(difference.value * scale, difference.low * scale, difference.high * scale)
