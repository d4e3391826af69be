"""What became of items: who graduated and was retired over time, whether that was right, each with its evidence."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Row, Section, Table, heads, row

Json = Mapping[str, Any]
Rate = Callable[[float | None], str]

LISTED = 50  # decisions; the API has all
DRAWN = 200  # times at which something changed
VERBS = {"graduated": "graduated", "retired": "retired"}
TONES = {"graduated": "better", "retired": "worse"}
ALIVE = "still above the bar"
NOTHING = "Nothing has been decided yet."


def section(
    outcomes: Sequence[Json],
    judgement: Json,
    names: Mapping[str, str],
    *,
    now: datetime,
    is_money: bool = False,
    waiting: str = "",
    nearest: Sequence[Json] = (),
    graduate_at: float = 0.9,
) -> Section:
    """Outcomes oldest first, as the API tells them, `link` to where one may be taken back; what `judged` found.

    Rewards are percentages, or amounts where they are money. `waiting` says why nothing can be decided, where so.
    """
    following = [_nearest(nearest, names, graduate_at)] if nearest else []
    if not outcomes and not following:
        return Section("outcomes", "Graduated and retired", missing=waiting or NOTHING)
    if not outcomes:
        return Section("outcomes", "Graduated and retired", sentence=NOTHING, pictures=following)
    rate = words.number if is_money else words.percent
    survival = [s for s in judgement["survival"] if "withheld" not in s["share"]]
    return Section(
        "outcomes",
        "Graduated and retired",
        sentence=sentence(judgement),
        pictures=[_curve(outcomes, now), *([_survival(survival)] if survival else []), *following],
        tables=[_decisions(outcomes, names, rate), _judged(judgement, names, rate)],
        notes=[waiting] if waiting else [],
    )


def sentence(judgement: Json) -> str:
    """
    >>> none = {"withheld": "fewer than five decisions can be judged yet"}
    >>> counts = {"in_force": 1, "confirmed": 0, "refuted": 0, "open": 1}
    >>> sentence({"graduated": counts, "retired": counts, "hours": none, "impressions": none, "precision": none})
    '1 item graduated, 1 was given up. Whether that was right: fewer than five decisions can be judged yet.'
    """
    good, poor = judgement["graduated"]["in_force"], judgement["retired"]["in_force"]
    parts = [f"{words.plural(good, 'item')} graduated, {words.count(poor)} {'was' if poor == 1 else 'were'} given up."]
    if "withheld" not in judgement["hours"] and "withheld" not in judgement["impressions"]:
        days, seen = judgement["hours"]["median"] / 24, judgement["impressions"]["median"]
        took = f"{words.number(days, 2)} days and {words.count(seen)} impressions"
        parts.append(f"Half of them took no more than {took}.")
    return " ".join([*parts, _right(judgement)])


def _right(judgement: Json) -> str:
    precision = judgement["precision"]
    if "withheld" in precision:
        return f"Whether that was right: {precision['withheld']}."
    settled = judgement["graduated"]["confirmed"] + judgement["graduated"]["refuted"]
    return (
        f"Of {words.count(settled)} whose later rewards settle it {words.percent(precision['value'])} lie above "
        f"their bar ({_between(precision)})."
    )


def _curve(outcomes: Sequence[Json], now: datetime) -> Picture:
    """How many had left and not come back, at each time that changed it."""
    points = [point for kind in TONES for point in _course(kind, _changes(outcomes, kind), now)]
    rows = [{"at": p.at.isoformat(), "kind": p.series, "items": p.value} for p in points]
    caption = "Items that left the pool by then. An item that was taken back counts no longer."
    return Picture("graduation", "Items that left the pool", charts.series(points), rows, caption)


def _course(kind: str, changes: Mapping[datetime, int], now: datetime) -> list[charts.Point]:
    """From nothing to now; nothing at all where nothing ever changed."""
    times = sorted(changes)
    totals = list(accumulate(changes[at] for at in times))
    steps = [(times[0], 0), *zip(times, totals, strict=True), (now, totals[-1])] if times else []
    return [charts.Point(at, kind, float(n)) for at, n in steps]


def _changes(outcomes: Sequence[Json], kind: str) -> Counter[datetime]:
    """How many left and came back at each time; by the day where there are more times than can be told apart."""
    own = [one for one in outcomes if one["kind"] == kind]
    changes = [(_time(one["decided_at"]), 1) for one in own]
    changes += [(_time(one["reversed_at"]), -1) for one in own if one["reversed_at"]]
    is_long = len({at for at, _ in changes}) > DRAWN
    found: Counter[datetime] = Counter()
    for at, change in changes:
        found[at.replace(hour=0, minute=0, second=0, microsecond=0) if is_long else at] += change
    return found


def _survival(rows: Sequence[Json]) -> Picture:
    ends = [(s["days"], *(s["share"][end] for end in ("value", "low", "high"))) for s in rows]
    points = [charts.Aged(*point) for point in ((0, ALIVE, 1.0, 1.0, 1.0), *((d, ALIVE, *rest) for d, *rest in ends))]
    told = [{"days": s["days"], "items": s["n"], **s["share"]} for s in rows]
    caption = "Share of the graduated items that were neither clearly under their bar by then nor taken back, 95 %."
    chart = charts.curves(points, title="Share", at="days since graduation")
    return Picture("survival", "After graduation", chart, told, caption)


def _nearest(rows: Sequence[Json], names: Mapping[str, str], graduate_at: float) -> Picture:
    """Who is next, as far as it is known now."""
    bars = [
        charts.Bar(
            names.get(one["item"], one["item"]),
            one["chance"],
            words.percent(one["chance"])
            + (f", {words.count(one['missing'])} impressions to go" if one["missing"] else ""),
            "better" if one["chance"] >= graduate_at else "neutral",
        )
        for one in rows
    ]
    caption = (
        f"Probability to be better than the bar. From {words.percent(graduate_at)} on an item graduates once it is "
        "old enough and has been seen enough."
    )
    return Picture("nearest", "Next to graduate", charts.bars(bars, highest=1.0), list(rows), caption)


def _decisions(outcomes: Sequence[Json], names: Mapping[str, str], rate: Rate) -> Table:
    newest = list(reversed(outcomes))[:LISTED]
    titles = heads("Item", "What", "When", "#Better than the bar", "#Bar", "#Believed", "#Impressions", "")
    more = len(outcomes) - len(newest)
    caption = "Decisions, newest first" + (f"; {words.count(more)} more over the API" if more else "")
    return Table(caption, titles, [_decision(one, names, rate) for one in newest])


def _decision(one: Json, names: Mapping[str, str], rate: Rate) -> Row:
    told, item = one["evidence"], one["item"]
    at = _time(one["decided_at"])
    back = one["reversed_at"]
    what = Cell(
        "taken back" if back else VERBS[one["kind"]],
        f"{one['kind']}, then: {one['reason']} ({one['reversed_by']})" if back else _why(one),
        "" if back else TONES[one["kind"]],
    )
    believed = f"{rate(told['low'])} to {rate(told['high'])}" if "low" in told else ""
    return row(
        Cell(names.get(item, item), item if item in names else ""),
        what,
        f"{at:%-d %b %Y, %H:%M}",
        words.percent(told.get("chance")),
        Cell(rate(told.get("bar")), told.get("bar_from", "")),
        Cell(rate(told.get("mean")), believed),
        words.number(told.get("impressions")),
        Cell("" if back else "take back", link="" if back else one.get("link", "")),
    )


def _why(one: Json) -> str:
    by_hand = one["evidence"].get("by_hand")
    return f"by {one['decided_by']}: {by_hand}" if by_hand else str(one["evidence"].get("because", ""))


def _judged(judgement: Json, names: Mapping[str, str], rate: Rate) -> Table:
    rows = [
        row(
            names.get(one["item"], one["item"]),
            one["kind"],
            rate(one["bar"]),
            _earned(one["rate"], rate),
            words.count(one["impressions"]),
            Cell(one["verdict"], tone={"confirmed": "better", "refuted": "worse"}.get(one["verdict"], "unsettled")),
        )
        for one in judgement["items"][-LISTED:]
    ]
    titles = heads("Item", "Decided", "#Bar", "#Earned since", "#Impressions since", "Verdict")
    return Table("What the ordinary pool has shown since", titles, rows, is_folded=True)


def _between(found: Json) -> str:
    return f"{words.percent(found['low'])} to {words.percent(found['high'])}"


def _earned(found: Json, rate: Rate) -> str:
    if "withheld" in found:
        return words.BLANK
    return f"{rate(found['value'])} ({rate(found['low'])} to {rate(found['high'])})"


def _time(text: str | datetime) -> datetime:
    return text if isinstance(text, datetime) else datetime.fromisoformat(text)
