"""Segments: whether the lift differs between them at all, then each one's estimate drawn in towards the whole.

Never a list of raw p-values of subgroups: among fifty, two or three are below .05 by chance.
"""

from typing import Any

from experiments.page import stored
from experiments.page.choice import Choice, chosen_arm, chosen_metric, focus
from experiments.page.stored import Json
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Option, Section, Switch, Table, heads, row

PAGE = 15  # rows of the picture


def section(results: Json, choice: Choice) -> Section:
    if not results["segments"]:
        why = "This look compared no segments. Name slices (country, platform, visitor, …) in the plan."
        return Section("segments", "Segments", missing=why)
    metric, arm = chosen_metric(results, choice), chosen_arm(results, choice)
    mine = [s for s in results["segments"] if (s["metric"], s["arm"]) == (metric["metric"], arm)]
    own = sorted(mine, key=_rank)
    tests = [h for h in results["heterogeneity"] if (h["metric"], h["arm"]) == (metric["metric"], arm)]
    pages = max(1, -(-len(own) // PAGE))
    at = min(max(choice.rows, 1), pages)
    shown = own[(at - 1) * PAGE : at * PAGE]
    switches = focus(results, choice, "segments") + ([_pages(choice, at, pages)] if pages > 1 else [])
    return Section(
        "segments",
        "Segments",
        sentence=_sentence(results),
        switches=switches,
        pictures=[_picture(metric, arm, results, shown, own)] if any(map(_is_told, shown)) else [],
        tables=[*([_tests(tests, metric)] if tests else []), _table(metric, shown)],
    )


def _rank(segment: Json) -> tuple[str, bool, bool, int, str]:
    """Within a slice the largest first; last those of which nothing is told, and those that name none."""
    name = str(segment["segment"])
    return segment["slice"], not _is_told(segment), name == "", -sum(segment["units"].values()), name


def _sentence(results: Json) -> str:
    """The interaction test comes first, over all that was tested."""
    tests = results["heterogeneity"]
    alpha = 1 - float(results["confidence"])
    found = [t for t in tests if t.get("p_adjusted") is not None and t["p_adjusted"] < alpha]
    if not tests:
        return "No slice has two segments with enough units to compare them."
    if not found:
        return f"No sign that the lift differs between segments, in {words.plural(len(tests), 'test')} together."
    first = min(found, key=lambda t: float(t["p_adjusted"]))
    return f"{words.count(len(found))} of {words.plural(len(tests), 'test')} find a difference. {first['sentence']}"


def _tests(tests: list[Json], metric: Json) -> Table:
    rows = [
        row(
            Cell(t["slice"], tone="name"),
            words.number(t["q"], 3),
            stored.p(t["p"]),
            stored.p(t.get("p_adjusted")),
            t["sentence"],
        )
        for t in tests
    ]
    caption = f"Does the lift of “{metric['name']}” differ between segments? Cochran's Q, corrected for all tests"
    return Table(caption, heads("Slice", "#Q", "#p", "#Adjusted p", "In words"), rows)


def _picture(metric: Json, arm: str, results: Json, shown: list[Json], own: list[Json]) -> Picture:
    rows = [_interval(metric, s) for s in shown]
    name = stored.arm_name(results, arm)
    caption = (
        "Dot and thick line: the estimate drawn in towards the whole, which is the one to believe. "
        "Thin line: the segment by itself."
    )
    chart = charts.intervals(rows, title="Lift")
    return Picture("segments", f"“{metric['name']}” of {name} by segment", chart, [_csv(s) for s in own], caption)


def _name(segment: Json) -> str:
    """Units whose events say nothing of a slice make a segment without a name."""
    return str(segment["segment"]) or "not said"


def _is_told(segment: Json) -> bool:
    return stored.is_given(segment["shrunken"])


def _interval(metric: Json, segment: Json) -> charts.Interval:
    label, kept = f"{_name(segment)} · {segment['slice']}", segment["shrunken"]
    if not stored.is_given(kept):
        return charts.Interval(label, stored.withheld(kept or segment["lift"]), "withheld")
    alone = segment["lift"] if stored.is_given(segment["lift"]) else kept
    tone = stored.clear(kept, metric["direction"])
    ends = (kept["value"], alone["low"], alone["high"], kept["low"], kept["high"])
    return charts.Interval(label, stored.lift(kept), tone, *ends, short=words.lift(kept["value"]))


def _table(metric: Json, shown: list[Json]) -> Table:
    share = metric["share"]
    rows = [
        row(
            Cell(_name(s), s["slice"], "name"),
            words.count(s["units"]["control"]),
            words.count(s["units"]["treatment"]),
            stored.level(s["levels"]["control"], share=share),
            stored.level(s["levels"]["treatment"], share=share),
            Cell(stored.lift(s["shrunken"]), tone=stored.clear(s["shrunken"], metric["direction"])),
            stored.lift(s["lift"]),
        )
        for s in shown
    ]
    names = heads("Segment", "#Units, control", "#Units", "#Control", "#Treatment", "#Drawn in", "#By itself")
    return Table(f"“{metric['name']}” by segment", names, rows, is_folded=True)


def _pages(choice: Choice, at: int, pages: int) -> Switch:
    options = [Option(str(n), choice.but(rows=n) + "#segments", n == at) for n in range(1, pages + 1)]
    return Switch("Page", options)


def _csv(segment: Json) -> dict[str, Any]:
    about = {name: segment[name] for name in ("slice", "segment", "metric", "arm")}
    units = {f"units_{side}": segment["units"][side] for side in ("control", "treatment")}
    return {**about, **units, **stored.flat("shrunken", segment["shrunken"]), **stored.flat("lift", segment["lift"])}
