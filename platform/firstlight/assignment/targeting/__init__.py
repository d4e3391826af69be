"""Who may take part: conditions on the attributes of a request, in the language of the GrowthBook SDKs. Pure."""

from .conditions import compiled, matches
from .faults import faults

__all__ = ["compiled", "faults", "matches"]
