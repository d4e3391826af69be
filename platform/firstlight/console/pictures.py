"""A chart with its name, its words and its data; shown on a page, taken away as PNG, SVG or CSV."""

import csv
import io
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vl_convert
from django.http import Http404, HttpResponse

from firstlight.console.theme import THEMES

WIDTH = 860  # px of an exported picture
FORMATS = {"png": "image/png", "svg": "image/svg+xml", "csv": "text/csv; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Picture:
    key: str  # of the address: lifts
    title: str
    chart: Any  # of charts
    rows: Sequence[Mapping[str, Any]]  # what is drawn, for the CSV
    caption: str = ""

    @property
    def element(self) -> str:
        """Id of the script element that carries the definition."""
        return f"chart-{self.key}"

    @property
    def spec(self) -> dict[str, Any]:
        found: dict[str, Any] = self.chart.to_dict()
        found.pop("config", None)  # the page brings that of its theme
        return found


def exported(pictures: Sequence[Picture], key: str, form: str, *, name: str) -> HttpResponse:
    """The picture of that key as a file called `name-key.form`."""
    picture = next((p for p in pictures if p.key == key), None)
    if picture is None or form not in FORMATS:
        raise Http404("There is no such picture.")
    answer = HttpResponse(_drawn(picture, form), content_type=FORMATS[form])
    answer["Content-Disposition"] = f'attachment; filename="{name}-{key}.{form}"'
    return answer


def inlined(picture: Picture, *, width: int = WIDTH) -> str:
    """The drawing alone, as an SVG that lies in its own address (`data:`): nothing to fetch, and nothing in it acts."""
    found = str(vl_convert.vegalite_to_svg(_definition(picture, width, padding=4)))
    return f"data:image/svg+xml;base64,{b64encode(found.encode()).decode()}"


def printed(picture: Picture, *, width: int = WIDTH) -> bytes:
    """The drawing alone, as PNG for paper (900 px wide about 180 dots an inch over the width of a page)."""
    return bytes(vl_convert.vegalite_to_png(_definition(picture, width, padding=4), scale=1.4))


def _drawn(picture: Picture, form: str) -> bytes | str:
    if form == "csv":
        return _table(picture.rows)
    title = {"text": picture.title, "anchor": "start", "fontSize": 16, "offset": 18}
    text = _definition(picture, WIDTH, padding=24, title=title)
    if form == "svg":
        return str(vl_convert.vegalite_to_svg(text))
    return bytes(vl_convert.vegalite_to_png(text, scale=2))


def _definition(picture: Picture, width: int, **more: Any) -> str:
    light = {**THEMES["light"], "background": "white"}
    return json.dumps({**picture.spec, "width": width, "config": light, **more})


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A spreadsheet takes text that begins with one of these for a formula and runs it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
