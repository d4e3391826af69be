"""What a campaign believes, does and is worth, in the sections of its page. Pure: values as they were stored go in."""

from bandits.page.choice import Choice, segments
from bandits.page.known import Json, Known, Names, Wording
from bandits.page.summary import figures
from firstlight.console.sections import Section

__all__ = ["Choice", "Json", "Known", "Names", "Section", "Wording", "figures", "segments"]
