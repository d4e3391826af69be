"""Why these items were shown in one request: the row that decided, what it drew for each item, who was passed over."""

from collections.abc import Mapping, Sequence
from typing import Any

from bandits.page.known import Names, Wording, called
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Table, heads, row

Json = Mapping[str, Any]

DRAWN = 20  # items of the row
IN_REWARD = ("thompson", "top_two")  # of these policies a score is a reward; of others an order
SOURCES = {
    "table": "from the row",
    "fresh": "from the row, drawn again to its full length",
    "floor": "drawn at random among all that could stand there",
}
CAPTION = (
    "The first items of the row. Dot: what was drawn (under policies that draw nothing, what was believed). Line: 95 % "
    "interval of what was believed then. Green: shown."
)


def section(told: Json, names: Names, wording: Wording) -> Section:
    """Of what `bandits.explaining.why` told."""
    shown = bool(told["slots"])
    return Section(
        "why",
        "Why this was shown",
        sentence=sentence(told, names),
        pictures=[_picture(told, names, wording)] if told["steps"] else [],
        tables=[_slots(told, names, wording)] if shown else [],
        notes=notes(told),
        badge="" if told["replays"] else "not as it was logged",
    )


def sentence(told: Json, names: Names) -> str:
    if told["table"] is None:
        return _unseen(told)
    if not told["slots"]:
        return f"Nothing was shown: none of the {words.plural(told['table']['n_items'], 'item')} was allowed."
    first = told["slots"][0]
    shown = f"“{names.get(first['item_id'], first['item_id'])}” stood in slot {first['position']}"
    where = f"{_ranked(first)} of row {words.count(told['row'])} of table {told['table']['number']}"
    how = f"drawn at random, beside what row {words.count(told['row'])} of table {told['table']['number']} gave"
    more = len(told["slots"]) - 1
    rest = f", with {words.plural(more, 'more item')} of that row" if more else ""
    return f"{shown}: {how if first['source'] == 'floor' else where}{rest}. {_again(told)}"


def notes(told: Json) -> list[str]:
    """The rules that were at work, one sentence each."""
    if told["table"] is None:
        return []
    return [*_arm(told), *_segment(told), *_filter(told), *_floor(told), *_turned(told), *_source(told)]


def _unseen(told: Json) -> str:
    arm = told["arm"]
    if arm["because"] == "experiment":
        return "An experiment keeps this visitor from the campaign."
    if arm["arm"] == "none":
        return (
            f"This visitor is of the share that never sees the campaign: bucket {words.count(arm['bucket'])} of 10,000 "
            f"is below {words.count(arm['none_below'])}."
        )
    return "The request asked for no slot of the campaign, or it had no table for it."


def _ranked(slot: Json) -> str:
    return f"it was number {slot['rank']}" if slot["rank"] else "it was one"


def _again(told: Json) -> str:
    same = "Given again, all came out bit for bit as it was logged."
    return same if told["replays"] else "Given again, it does not come out as it was logged."


def _arm(told: Json) -> list[str]:
    arm = told["arm"]
    if arm["because"] == "experiment":
        return [f"An experiment says that this visitor sees the {arm['arm']} table."]
    if arm["because"] == "everybody":
        return []
    return [f"The visitor's bucket is {words.count(arm['bucket'])} of 10,000, which makes the arm “{arm['arm']}”."]


def _segment(told: Json) -> list[str]:
    by, asked, had = told["segment"]["by"], told["segment"]["asked"], told["table"]["segment"]
    if not by:
        return []
    if had:
        return [f"The table is that of {by} “{had}”."]
    return [
        f"“{asked}” has no table of its own for {by}: that of all traffic decided." if asked else f"No {by} was sent."
    ]


def _filter(told: Json) -> list[str]:
    asked, n_items = told["filter"], told["table"]["n_served"]
    wanted = [f"{name} {words.listing(list(values))}" for name, values in asked["eligible"].items()]
    out = len(asked["excluded"]), len(asked["on_the_page"])
    parts = [
        *([f"only {words.listing(wanted)}"] if wanted else []),
        *([f"{words.plural(out[0], 'item')} excluded by the request"] if out[0] else []),
        *([f"{words.plural(out[1], 'item')} of another campaign on the page"] if out[1] else []),
    ]
    if not parts:
        return []
    allowed = f"{words.count(asked['n_allowed'])} of {words.plural(n_items, 'item')} were allowed"
    return [f"{allowed}: {words.listing(parts)}."]


def _floor(told: Json) -> list[str]:
    floor = told["floor"]
    if not floor["share"]:
        return []
    share, drawn = words.percent(floor["share"]), words.percent(floor["drawn"])
    if floor["position"] is None:
        return [f"The floor's coin fell at {drawn}, not below {share}: no slot was drawn at random."]
    return [
        f"The floor's coin fell at {drawn}, below {share}: slot {floor['position']} was drawn at random, in place of "
        f"“{floor['instead_of']}”."
    ]


def _turned(told: Json) -> list[str]:
    by = told["turned_by"]
    if by is None:
        return []
    return [f"All items are shown alike: each place of the row moved on by {words.plural(by, 'item')}."]


def _source(told: Json) -> list[str]:
    if told["retraced_from"] == "tables":
        return ["The snapshot of then is gone; this is from its draw tables, and the campaign as it is now."]
    return []


def _picture(told: Json, names: Names, wording: Wording) -> Picture:
    steps: Sequence[Json] = told["steps"][:DRAWN]
    drawn = told["table"]["policy"] in IN_REWARD
    rows = [
        charts.Interval(
            called(step["item"], names),
            _said(step, wording, drawn=drawn),
            "better" if step["position"] else "withheld" if step["skipped"] else "neutral",
            step["score"] if drawn else step["mean"],
            step["low"],
            step["high"],
            short=f"slot {step['position']}" if step["position"] else "",
        )
        for step in steps
    ]
    highest = max((max(r.high or 0.0, r.value or 0.0) for r in rows), default=1.0)
    chart = charts.intervals(
        rows, title=wording.title, zero=False, lowest=0.0, highest=highest, numbers=not wording.is_money
    )
    return Picture("why", "What the row drew", chart, [dict(step) for step in steps], CAPTION)


def _said(step: Json, wording: Wording, *, drawn: bool) -> str:
    value = wording.rate(step["score"] if drawn else step["mean"])
    if step["position"]:
        return f"{value}, slot {step['position']}"
    return f"{value}, {step['skipped']}" if step["skipped"] else value


def _slots(told: Json, names: Names, wording: Wording) -> Table:
    titles = heads("#Slot", "Item", "How", "#Rank in the row", "#Believed", "#Probability")
    rows = [
        row(
            words.count(slot["position"]),
            Cell(names.get(slot["item_id"], slot["item_id"]), slot["item_id"] if slot["item_id"] in names else ""),
            SOURCES[slot["source"]],
            words.count(slot["rank"]) if slot["rank"] else words.BLANK,
            wording.rate(slot["mean"]) if slot["mean"] is not None else words.BLANK,
            words.percent(slot["propensity"], 4),
        )
        for slot in told["slots"]
    ]
    return Table("What was shown, and how likely each was in its slot", titles, rows)
