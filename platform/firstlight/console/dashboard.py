"""The first page: what runs, what was found, how the pipeline does, and what to do next while there is little."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing and how it stands."""

    title: str
    link: str
    state: str
    tone: str  # better, worse, warn, info, neutral
    sentence: str
    figures: Sequence[tuple[str, str]] = ()  # (label, value in words)


@dataclass(frozen=True, slots=True)
class Step:
    """Something a new shop has to do once."""

    text: str
    why: str
    link: str  # empty: this person may not
    done: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """One card of the first page. Apps offer theirs by a dotted path in the setting DASHBOARD_PANELS."""

    title: str
    link: str = ""
    entries: Sequence[Entry] = ()
    empty: str = ""
    figures: Sequence[tuple[str, str, str]] = ()  # (label, value, small print)
    steps: Sequence[Step] = field(default=())


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK."""
    panels = [p for p in (import_string(path)(request) for path in settings.DASHBOARD_PANELS) if p is not None]
    steps = [step for panel in panels for step in panel.steps]
    return {
        **context,
        "title": "Overview",
        "steps": steps if any(not step.done for step in steps) else [],
        "figures": [figure for panel in panels for figure in panel.figures],
        "panels": [panel for panel in panels if panel.entries or panel.empty],
    }
