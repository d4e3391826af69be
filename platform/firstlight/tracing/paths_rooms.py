"""The paths of a scenario in words, pictures and tables. Pure."""

from collections.abc import Mapping, Sequence

from firstlight.console import charts, words
from firstlight.console.charts import Bar, Interval
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Row, Section, Table, heads, row
from firstlight.kernel.withheld import Withheld
from firstlight.stats.estimates import Estimate
from firstlight.tracing.asking import Found
from firstlight.tracing.lifts import MEASURES, Lift, Measure
from firstlight.tracing.paths import Counts, Path
from firstlight.tracing.paths_told import sums

NAMES = {"recall_source": "recall source", "ranker": "ranker", "both": "recall source and ranker"}
MOST_DRAWN = 16  # rows that the eye can follow; all are in the tables
DRAWN = ("exposure_share", "clicks_per_unit")
CHOSEN_AFTER = (
    "The arm decides which items take which path, after units were dealt to it. A rate within a path compares other "
    "items shown to other people: it is no effect of the experiment."
)
ONE_BY_ONE = "Each interval stands for itself, as of one planned look: of many paths some differ by chance alone."


def sections(found: Found) -> list[Section]:
    exposure = _exposure(found)
    return [exposure, _effects(found), _descriptions(found)] if found.lifts else [exposure]


def sentence(found: Found) -> str:
    """By which path most of what was seen came."""
    paths = found.reading.paths
    total = sum(counts.impressions for counts in paths.values())
    if not total:
        return "No impression was seen in this time."
    first, counts = next(iter(paths.items()))
    share = words.percent(counts.impressions / total)
    return f"{share} of {words.plural(total, 'impression')} came by {name(first)}."


def name(path: Path) -> str:
    if path.is_rest:
        return "all other paths"
    return " → ".join(part for part in (path.recall_source, path.ranker) if part) or "no path named"


def _exposure(found: Found) -> Section:
    paths = found.reading.paths
    total = sum(counts.impressions for counts in paths.values())
    bars = [
        Bar(name(path), counts.impressions, _noted(counts, total)) for path, counts in [*paths.items()][:MOST_DRAWN]
    ]
    picture = Picture(
        "exposure",
        f"Exposure by {NAMES[found.asked.by]}",
        charts.bars(bars),
        [
            {"path": name(p), "impressions": c.impressions, "clicks": c.clicks, "orders": c.orders}
            for p, c in paths.items()
        ],
        "Impressions that name the path, and what came of them.",
    )
    return Section(
        "exposure", f"By {NAMES[found.asked.by]}", sentence=_unnamed(paths, total),
        pictures=[picture], tables=[_counted(found, total)],
    )  # fmt: skip


def _noted(counts: Counts, total: int) -> str:
    if not counts.impressions:
        return f"{words.plural(counts.clicks, 'click')}, {words.plural(counts.orders, 'order')}"
    return f"{words.percent(counts.impressions / total)}, {words.percent(counts.clicks / counts.impressions)} clicked"


def _unnamed(paths: Mapping[Path, Counts], total: int) -> str:
    none = paths.get(Path("", ""))
    if none is None:
        return f"All of {words.plural(total, 'impression')} and what came of them have their path."
    told = [words.plural(n, noun) for n, noun in ((none.impressions, "impression"), (none.orders, "order")) if n]
    return (
        f"{words.listing(told) or 'Clicks'} have no path: send recall_source and ranker with impressions, and trace_id."
    )


def _counted(found: Found, total: int) -> Table:
    names = heads("Path", "#Impressions", "#Share", "#Clicks", "#Per impression", "#Orders", "#Per click", "#Units")
    rows = [
        _row(path, (c.impressions, c.clicks, c.orders), total, words.count(c.units))
        for path, c in found.reading.paths.items()
    ]
    for arm, of in found.reading.arms.items():
        if of.by_path:
            seen = sums(next(iter(of.by_path.values())))[3]
            rows.append(Row((Cell(arm, words.plural(of.units, "unit")),), is_group=True))
            rows += [_row(path, sums(moments)[:3], seen, words.BLANK) for path, moments in of.by_path.items()]
    return Table("What came by each path", names, rows)


def _row(path: Path, done: Sequence[int], total: int, units: str) -> Row:
    """`done`: impressions, clicks, orders."""
    impressions, clicks, orders = done
    return row(
        Cell(name(path), tone="name"),
        words.count(impressions),
        words.percent(impressions / total if total else None),
        words.count(clicks),
        words.percent(clicks / impressions if impressions else None),
        words.count(orders),
        words.percent(orders / clicks if clicks else None),
        units,
    )


def _effects(found: Found) -> Section:
    pictures = [_forest(found, measure) for measure in MEASURES if measure.key in DRAWN]
    effects = [one for one in found.lifts if one.measure.nature == "effect"]
    return Section(
        "effects",
        "What the experiment changes",
        sentence=_changed(found),
        pictures=pictures,
        tables=[_lifted("Effects, over all units of each arm", effects)],
        notes=[ONE_BY_ONE, *_mixed(found)],
    )


def _changed(found: Found) -> str:
    """How many paths have a clearly other share of exposure."""
    shares = [one for one in found.lifts if one.measure.key == "exposure_share"]
    clear = [one for one in shares if _tone(one) != "unsettled"]
    if not clear:
        return f"No path has a clearly other share of impressions than in {found.control}."
    told = [f"{name(one.path)} in {one.arm} ({_gap(one)})" for one in clear[:4]]
    more = f" and {words.plural(len(clear) - 4, 'other')}" if len(clear) > 4 else ""
    return f"Against {found.control}, another share of what units see comes by {words.listing(told)}{more}."


def _forest(found: Found, measure: Measure) -> Picture:
    several = len(found.reading.arms) > 2
    wanted = [one for one in found.lifts if one.measure == measure][:MOST_DRAWN]
    rows = [_interval(one, several) for one in wanted]
    told = [{"path": name(one.path), "arm": one.arm, **_ends(one.comparison.lift)} for one in wanted]
    caption = (
        f"Lift over {found.control} with its {words.percent(found.confidence)} interval; an effect of the experiment."
    )
    title = f"{measure.name[0].upper()}{measure.name[1:]}"
    return Picture(measure.key.replace("_", "-"), title, charts.intervals(rows, title="lift"), told, caption)


def _interval(one: Lift, several: bool) -> Interval:
    label = f"{name(one.path)}, {one.arm}" if several else name(one.path)
    lift = one.comparison.lift
    if isinstance(lift, Withheld):
        return Interval(label, lift.reason.value, "withheld")
    note = f"{words.lift(lift.value)} ({words.lift_interval(lift.low, lift.high)})"
    return Interval(label, note, _tone(one), lift.value, lift.low, lift.high, short=words.lift(lift.value))


def _descriptions(found: Found) -> Section:
    rates = [one for one in found.lifts if one.measure.nature == "description"]
    return Section(
        "within",
        "Within each path",
        sentence="How arms differ in what they send by a path: to look into, not to decide by.",
        tables=[_lifted("Rates within a path: no causal comparison", rates)],
        notes=[CHOSEN_AFTER],
    )


def _lifted(caption: str, wanted: Sequence[Lift]) -> Table:
    rows = [
        row(
            Cell(name(one.path), one.arm, "name"),
            one.measure.name,
            _gap(one),
            _lift(one),
            "" if isinstance(one.comparison.tail, Withheld) else words.p_value(one.comparison.tail.p),
        )
        for one in wanted
    ]
    return Table(caption, heads("Path and arm", "Measure", "#Difference", "#Lift", "#p"), rows, is_folded=True)


def _gap(one: Lift) -> str:
    gap = one.comparison.difference
    if isinstance(gap, Withheld):
        return gap.reason.value
    if one.measure.kind == "ratio":
        return f"{words.lift(gap.value).removesuffix(' %')} points"
    return words.number(gap.value, 3)


def _lift(one: Lift) -> Cell:
    lift = one.comparison.lift
    if isinstance(lift, Withheld):
        return Cell(lift.reason.value)
    return Cell(words.lift(lift.value), words.lift_interval(lift.low, lift.high))


def _ends(estimate: Estimate | Withheld) -> dict[str, float | None]:
    if isinstance(estimate, Withheld):
        return {"lift": None, "low": None, "high": None}
    return {"lift": estimate.value, "low": estimate.low, "high": estimate.high}


def _tone(one: Lift) -> str:
    """More of a path is neither better nor worse; only whether it is clear is shown."""
    gap = one.comparison.difference
    return "unsettled" if isinstance(gap, Withheld) or gap.low <= 0 <= gap.high else "neutral"


def _mixed(found: Found) -> list[str]:
    n = found.reading.mixed
    return [f"{words.plural(n, 'unit')} met several arms and {'is' if n == 1 else 'are'} in none."] if n else []
