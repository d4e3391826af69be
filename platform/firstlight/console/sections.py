"""What a page is made of: sections of sentence, pictures, tables; the same on screen, in the report and the PDF."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from firstlight.console.pictures import Picture


@dataclass(frozen=True, slots=True)
class Head:
    text: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    sub: str = ""  # small print behind it
    tone: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    cells: Sequence[Cell]
    is_group: bool = False  # one cell that names the rows below it


@dataclass(frozen=True, slots=True)
class Table:
    caption: str
    heads: Sequence[Head]
    rows: Sequence[Row]
    is_folded: bool = False  # for who asks; behind its caption on the screen

    @property
    def columns(self) -> list[tuple[Head, int]]:
        return [(head, i) for i, head in enumerate(self.heads)]

    @property
    def lines(self) -> list[tuple[Row, list[tuple[Cell, bool]]]]:
        """Each row with (cell, whether it is a number)."""
        return [(row, [(c, h.is_number) for c, h in zip(row.cells, self.heads, strict=False)]) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Option:
    text: str
    query: str
    on: bool
    in_force: bool = False  # what the plan decided by


@dataclass(frozen=True, slots=True)
class Switch:
    label: str
    options: Sequence[Option]

    @property
    def chosen(self) -> str:
        return next((o.text for o in self.options if o.on), "")


@dataclass(frozen=True, slots=True)
class Section:
    key: str  # of the address on the page: #segments
    title: str
    sentence: str = ""
    switches: Sequence[Switch] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    badge: str = ""
    missing: str = ""  # why there is nothing, and what to do about it

    @property
    def is_missing(self) -> bool:
        return bool(self.missing)


def heads(*names: str) -> tuple[Head, ...]:
    """A name that begins with # heads numbers."""
    return tuple(Head(name.removeprefix("#"), name.startswith("#")) for name in names)


def row(*cells: Any) -> Row:
    return Row(tuple(c if isinstance(c, Cell) else Cell(str(c)) for c in cells))


def group(text: str, sub: str = "") -> Row:
    return Row((Cell(text, sub),), is_group=True)
