"""Who may take part: conditions on the attributes of a request, in the language of the GrowthBook SDKs. Pure."""

from .conditions import compiled, matches
from .faults import faults
from .groups import NO_GROUPS, Group, named

__all__ = ["NO_GROUPS", "Group", "compiled", "faults", "matches", "named"]
