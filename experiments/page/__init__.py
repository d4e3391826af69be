"""A stored look in the shapes of its page: verdict, health, sections of sentence, picture and table. Pure."""

from collections.abc import Sequence

from experiments.page import (
    ages,
    beliefs,
    forest,
    growth,
    interactions,
    measured,
    objectives,
    scenarios,
    segments,
    settling,
)
from experiments.page.choice import Choice
from experiments.page.stored import Json, arm_name, is_old, n_units, tone, whole
from experiments.page.summary import figures, health, health_sentence, verdict_tone
from firstlight.console.pictures import Picture
from firstlight.console.sections import Section

__all__ = [
    "Choice",
    "Json",
    "Section",
    "arm_name",
    "figures",
    "health",
    "health_sentence",
    "is_old",
    "n_units",
    "pictures",
    "sections",
    "tone",
    "verdict_tone",
    "whole",
]

ROOMS = (forest, settling, segments, scenarios, growth, ages, objectives, interactions, beliefs, measured)


def sections(results: Json, choice: Choice) -> list[Section]:
    """In reading order; `results` as `whole` gives them."""
    return [room.section(results, choice) for room in ROOMS]


def pictures(results: Json, choice: Choice) -> Sequence[Picture]:
    """All that can be taken away."""
    return [picture for section in sections(results, choice) for picture in section.pictures]
