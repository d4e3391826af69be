"""Who may take part: conditions on the attributes of a request, in the language of the GrowthBook SDKs. Pure."""

from experiments.targeting.conditions import compiled, matches
from experiments.targeting.faults import faults

__all__ = ["compiled", "faults", "matches"]
