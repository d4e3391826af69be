"""Charts: one definition for page and export, drawn here by Vega itself."""

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.http import Http404

from firstlight.console import charts, theme
from firstlight.console.pictures import Picture, exported

DAYS = [date(2026, 11, 1) + timedelta(days=i) for i in range(6)]
ROWS = [
    charts.Interval("Click rate", "+10.0 % (+5.0 % to +15.0 %)", "better", 0.10, 0.05, 0.15),
    charts.Interval("Refunds", "+9.0 % (+1.0 % to +17.0 %)", "worse", 0.09, 0.01, 0.17, margin=0.05),
    charts.Interval("Value", "withheld: too little data for a percentage", "withheld"),
]
BANDS = [charts.Point(d, "new", 0.1, 0.1 - 1 / (i + 1), 0.1 + 1 / (i + 1)) for i, d in enumerate(DAYS)]
LINES = [charts.Point(datetime(2026, 11, 1, hour, tzinfo=UTC), s, hour + 1.0) for s in "ab" for hour in range(5)]
DRAWN = {
    "lifts": charts.intervals(ROWS, title="Lift"),
    "settling": charts.cumulative(BANDS, title="Lift"),
    "series": charts.series(LINES),
    "shares": charts.shares(LINES, rest="b"),
    "bars": charts.bars([charts.Bar("Red dress", 120, "120"), charts.Bar("Blue dress", 0, "0")]),
    "curves": charts.curves(
        [charts.Aged(i, n, 3.0 * i, 2.0 * i, 4.0 * i) for i in range(9) for n in "ab"], title="Items", at="days"
    ),
    "ages": charts.ages([charts.Aged(i, "new", 0.1 / (i + 1), -0.1, 0.2) for i in range(9)], title="Lift", at="days"),
    "own": charts.intervals(ROWS, title="Difference", numbers=False),
    "boundary": charts.boundary(
        [charts.Crossing(0.25, 4.3, 1.2), charts.Crossing(0.5, 2.96, 3.1), charts.Crossing(1.0, 1.97, None)], title="z"
    ),
    "heat": charts.heat(
        [
            charts.Cell(row, column, "+1.0 %", "better", 0.4)
            for row in ("Clicks", "Value")
            for column in ("Home", "Cart")
        ]
    ),
    "waterfall": charts.waterfall(
        [
            charts.Step("Visits", 0.0, 0.02, 0.01, 0.03, "+2.0 %", "better"),
            charts.Step("Whole", 0.0, 0.02, None, None, "+2.0 %", "neutral"),
        ],
        title="Share",
    ),
    "plane": charts.plane([charts.Spot("new", 0.1, -0.02, 0.05, 0.15, None, None, "neutral")], x="user", y="platform"),
}


def svg(chart: Any) -> str:
    return exported([Picture("k", "Title of it", chart, [])], "k", "svg", name="x").content.decode()


def ends(name: str) -> list[float]:
    """Of the axis of the estimates."""
    values = {p["name"]: p["value"] for p in DRAWN[name].to_dict()["params"]}
    return [values["lowest"], values["highest"]]


@pytest.mark.parametrize("name", DRAWN)
def test_every_chart_is_drawn_as_svg_and_png_and_fits_any_width(name: str) -> None:
    picture = Picture("k", "Title of it", DRAWN[name], [])
    assert picture.spec["width"] == "container"
    assert "config" not in picture.spec
    drawing = svg(DRAWN[name])
    assert "Title of it" in drawing
    assert "NaN" not in drawing and "undefined" not in drawing
    assert exported([picture], "k", "png", name="x").content[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("name", DRAWN)
def test_a_chart_without_any_data_is_drawn_empty(name: str) -> None:
    makers: dict[str, Any] = {
        "lifts": lambda: charts.intervals([], title="Lift"),
        "settling": lambda: charts.cumulative([], title="Lift"),
        "series": lambda: charts.series([]),
        "shares": lambda: charts.shares([], rest=""),
        "bars": lambda: charts.bars([]),
        "ages": lambda: charts.ages([], title="Lift", at="days"),
        "curves": lambda: charts.curves([], title="Items", at="days"),
        "own": lambda: charts.intervals([], title="Difference", numbers=False),
        "boundary": lambda: charts.boundary([], title="z"),
        "heat": lambda: charts.heat([]),
        "waterfall": lambda: charts.waterfall([], title="Share"),
        "plane": lambda: charts.plane([], x="user", y="platform"),
    }
    assert svg(makers[name]()).startswith("<svg")


def test_an_interval_has_the_colour_of_its_tone_and_what_is_withheld_stands_in_words() -> None:
    drawing = svg(DRAWN["lifts"])
    assert theme.BETTER in drawing and theme.WORSE in drawing
    assert "withheld: too little data for a percentage" in drawing
    assert len(re.findall(r'aria-label="[^"]*estimate: withheld', drawing)) == 0  # no mark for what has no number


def test_an_interval_lies_where_its_numbers_say() -> None:
    """The distance from 0 to the estimate is to that of the bounds as the numbers are."""
    low, high = ends("lifts")
    assert low < 0 < 0.17 < high
    assert (high - low) == pytest.approx(0.17 * 1.08)


def test_the_axis_follows_the_settled_interval_and_not_the_wild_first_days() -> None:
    low, high = ends("settling")
    assert high < 1.3 and low > -1.3
    assert low < 0.1 - 1 / 6 and high > 0.1 + 1 / 6


def test_csv_holds_the_data_and_no_cell_is_a_formula() -> None:
    picture = Picture(
        "k", "T", DRAWN["bars"], [{"item": "=cmd|' /C calc'!A0", "n": -1.5}, {"item": "a,b", "more": None}]
    )
    answer = exported([picture], "k", "csv", name="shop")
    assert answer["Content-Disposition"] == 'attachment; filename="shop-k.csv"'
    first, second = csv.DictReader(io.StringIO(answer.content.decode()))
    assert first == {"item": "'=cmd|' /C calc'!A0", "n": "-1.5", "more": ""}
    assert second["item"] == "a,b"


@pytest.mark.parametrize(("key", "form"), [("other", "svg"), ("k", "pdf"), ("k", "exe")])
def test_what_is_not_there_is_not_found(key: str, form: str) -> None:
    with pytest.raises(Http404):
        exported([Picture("k", "T", DRAWN["bars"], [])], key, form, name="x")


@pytest.mark.parametrize(("dark", "page"), [(False, "#ffffff"), (True, "#151d2c")])
def test_every_colour_is_legible_on_its_page(dark: bool, page: str) -> None:
    """WCAG 2: 4.5:1 for text, 3:1 for graphics."""
    found = theme.config(dark=dark)
    texts = [found["style"][s]["color"] for s in ("title", "note")] + [found["axis"]["labelColor"]]
    assert all(contrast(colour, page) >= 4.5 for colour in texts)
    assert all(contrast(colour, page) >= 3.0 for colour in [*theme.TONES.values(), *theme.SERIES])


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
