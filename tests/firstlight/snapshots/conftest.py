"""Sections that are a dictionary, so that a test can say what there is to publish."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from firstlight.snapshots import memory, sections


class Toy(SimpleNamespace):
    """A section whose parts are what `content` says; counts how often a part is loaded."""

    content: dict[str, bytes]
    loads: int

    def compile(self, at: Any) -> dict[str, bytes]:
        return dict(self.content)

    def load(self, payload: bytes) -> str:
        self.loads += 1
        return payload.decode()

    def gather(self, parts: dict[str, str]) -> dict[str, str]:
        self.gathers += 1
        return dict(parts)


@pytest.fixture
def toys(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Toy, Toy]]:
    both = Toy(name="one", content={}, loads=0, gathers=0), Toy(name="two", content={}, loads=0, gathers=0)
    for toy in both:
        monkeypatch.setitem(sys.modules, f"toys_{toy.name}", toy)
    settings.SNAPSHOT_SECTIONS = ["toys_one", "toys_two"]
    _forget()
    yield both
    _forget()


def _forget() -> None:
    memory.forget()
    for found in (sections.sections, sections.deciders, sections.completers):
        found.cache_clear()
