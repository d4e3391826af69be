"""What the reader asked to see: a segment, an item, a request. Links carry it, so no script is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlencode

from firstlight.console.sections import Option, Switch

ALL = "all traffic"


@dataclass(frozen=True, slots=True)
class Choice:
    segment: str = ""
    item: str = ""
    trace: str = ""

    @classmethod
    def of(cls, asked: Mapping[str, str], segments: Sequence[str] = ()) -> "Choice":
        """From an address, where anything may stand; what makes no sense is left out."""
        segment = asked.get("segment", "")
        item, trace = (asked.get(name, "").strip()[:200].replace("\0", "") for name in ("item", "trace"))
        return cls(segment if segment in segments else "", item, trace)

    @property
    def query(self) -> str:
        said = {name: value for name, value in asdict(self).items() if value}
        return f"?{urlencode(said)}" if said else ""

    def but(self, **changes: Any) -> str:
        return replace(self, **changes).query or "?"  # a link to nothing would keep what is asked for now

    def of_item(self, item: str) -> str:
        return f"{self.but(item=item)}#item"


def segments(choice: Choice, known: Sequence[str], by: str, at: str) -> list[Switch]:
    """One for the section `at`; none where all traffic learns together."""
    if not known:
        return []
    options = [Option(name or ALL, f"{choice.but(segment=name)}#{at}", name == choice.segment) for name in ("", *known)]
    return [Switch(by.replace("_", " ").capitalize(), options)]
