"""A definition made once, filled many times: Altair takes 35 ms to make a chart, which a page of fifteen cannot spend.

So a maker of charts knows no data: it names its rows, and what depends on them is a parameter (`value("lowest")`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import Any, ParamSpec, cast

import altair as alt

from firstlight.console.theme import TONES

ROW = 46  # px of a row: label, then the mark below it
_ROWS = "rows"  # name of the data
_FIT = alt.AutoSizeParams(type="fit-x", contains="padding")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A chart with its data; `to_dict` gives Vega-Lite."""

    shape: Mapping[str, Any]  # shared by all of its kind: never changed
    rows: Sequence[Mapping[str, Any]]
    height: int  # px
    values: Mapping[str, Any] = field(default_factory=dict)  # of the parameters

    def to_dict(self) -> dict[str, Any]:
        params = [{"name": name, "value": value} for name, value in self.values.items()]
        return {**self.shape, "height": self.height, "params": params, "datasets": {_ROWS: [*self.rows]}}


def shape(make: Callable[P, Any]) -> Callable[P, Mapping[str, Any]]:
    """The chart that `make` makes, as a definition without data; once for the same arguments."""

    def made(*args: Any, **kwargs: Any) -> Mapping[str, Any]:
        chart = make(*args, **kwargs).properties(width="container", autosize=_FIT)
        found: dict[str, Any] = chart.to_dict()
        found.pop("config", None)  # page and export bring that of a theme
        return found

    return cast("Callable[P, Mapping[str, Any]]", wraps(make)(lru_cache(maxsize=256)(made)))


def base() -> Any:
    return alt.Chart(alt.NamedData(_ROWS))


def value(name: str) -> Any:
    """What the data sets: to stand in a scale or a size."""
    return alt.ExprRef(expr=name)


def rows_of(title: str = "row") -> Any:
    """One band per row, without an axis: each row carries its label itself."""
    return alt.Y(title, type="ordinal", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))


def across(name: str) -> Any:
    return alt.X(name, type="quantitative")


def upward(name: str) -> Any:
    return alt.Y(name, type="quantitative")


def word(name: str) -> Any:
    return alt.Text(name, type="nominal")


def tone() -> Any:
    scale = alt.Scale(domain=list(TONES), range=list(TONES.values()))
    return alt.Color("tone", type="nominal", scale=scale, legend=None)


def labels(taken: str = "room") -> Any:
    """On the upper half of a row, as long as the note on the right leaves room (`taken`: px, or what counts them)."""
    limit = alt.ExprRef(expr=f"max(width - {taken}, 90)")
    mark = base().mark_text(style="title", align="left", dy=-11, limit=limit)
    return mark.encode(x=alt.value(0), y=rows_of(), text=word("label"))


def notes(text: str = "note", **more: Any) -> Any:
    mark = base().mark_text(style="note", align="right", dy=-11, **more)
    return mark.encode(x=alt.value("width"), y=rows_of(), text=word(text))


def room(texts: Sequence[str]) -> int:
    """Px that these notes take: about 6.4 a character at their size."""
    return round(6.4 * max((len(text) for text in texts), default=0) + 12)


def signed() -> str:
    """Of an axis: 0, +1 %, −1 %."""
    return "datum.value == 0 ? '0' : format(datum.value, '+.1~%')"


def domain(low: float, high: float) -> tuple[float, float]:
    """With a little air at both ends."""
    air = (high - low) * 0.04 or 0.01
    return low - air, high + air
