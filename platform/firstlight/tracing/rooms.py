"""A trace in words, a picture and tables."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse

from firstlight.console import charts, words
from firstlight.console.charts import Came
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Table, heads, row
from firstlight.events.traces import Row
from firstlight.kernel.withheld import Withheld
from firstlight.lake.schema import UNITS
from firstlight.tracing import rooms_decided
from firstlight.tracing.journey import STEPS, Journey, Step, Way
from firstlight.tracing.telling import Told

COLUMNS = ("asked", "placed", "seen", "clicked", "in cart", "ordered")  # steps of the picture
DONE = {"placed": "placed", "impression": "seen", "click": "clicked", "cart": "put into a cart", "order": "ordered"}
TONES = {"order": "better", "cart": "neutral", "click": "neutral"}
NO_PAGES: Mapping[str, str] = {}
MOST_DRAWN = 40  # rows that the eye can follow; all are in the table
MOST_LISTED = 200


def sections(found: Told, titles: Mapping[str, str], pages: Mapping[str, str] = NO_PAGES) -> list[Section]:
    """`pages`: of campaigns, by key, where they tell why an item was shown."""
    decided = rooms_decided.section(found.trace.decision, found.trace.again) if found.trace.decision else None
    return [
        _path(found, titles, pages),
        rooms_decided.replayed(found.replay),
        *([decided] if decided else []),
        _events(found),
    ]


def sentence(found: Told) -> str:
    """What became of all items, the furthest first."""
    ways = [way for way in found.journey.ways if way.item]
    n = {name: sum(any(s.type == name for s in way.steps) for way in ways) for name in STEPS}
    placed = sum(way.slot is not None for way in ways)
    told = [f"{words.plural(placed, 'item')} placed"] if placed else []
    told += [f"{words.count(n[name])} {DONE[name]}" for name in STEPS if n[name]]
    bought = [step for step in found.journey.steps if step.type == "order"]
    if bought and not n["order"]:
        told.append(words.plural(len({step.order_id for step in bought}), "order"))
    came = words.listing(told) if told else "Nothing came of it yet"
    after = f"; the order came {_delay(bought[0])}" if bought and bought[0].delay is not None else ""
    said = "" if found.trace.decision else " No decision is logged for them."
    return f"{came[0].upper()}{came[1:]}{after}.{said}"


def verdict(found: Told) -> tuple[str, str]:
    """(words, tone) of the replay."""
    if isinstance(found.replay, Withheld):
        return "not replayed", "neutral"
    return ("replays bit for bit", "better") if found.replay.verdict == "same" else ("differs when replayed", "worse")


def figures(found: Told) -> list[tuple[str, str, str]]:
    """(what, value, small print)."""
    decision = found.trace.decision
    if decision is None:
        return []
    told, objectives = decision.get("properties") or {}, (decision.get("properties") or {}).get("objectives")
    who = [(name.removesuffix("_id"), decision[name]) for name in UNITS if name in decision]
    return [
        (
            "Asked for",
            who[0][1] if who else words.BLANK,
            ", ".join(f"{name} {key}" for name, key in who[1:]) or _kind(who),
        ),
        ("When", f"{_at(decision):%H:%M:%S}", f"{_at(decision):%-d %B %Y} UTC"),
        ("Scenario", decision.get("scenario", words.BLANK), f"stage: {told.get('journey_stage') or 'not told'}"),
        ("Decided by", f"snapshot {decision.get('snapshot', words.BLANK)}", _arms(decision)),
        ("Weights", _mix(objectives), f"source: {objectives['source']}" if objectives else "none"),
    ]


def recent(found: Sequence[tuple[str, Row]], at: datetime) -> Section:
    """Newest decisions, each a way to its trace."""
    names = heads("Trace", "When", "Scenario", "Asked for", "#Experiments", "#Slots", "#Snapshot")
    rows = [
        row(
            Cell(trace_id, tone="name", link=reverse("tracing:trace", args=[trace_id])),
            words.ago(_at(one), at),
            one.get("scenario", words.BLANK),
            next((one[name] for name in UNITS if name in one), words.BLANK),
            words.count(len(one.get("assignments") or ())),
            words.count(len(one.get("discovery") or ())),
            one.get("snapshot", words.BLANK),
        )
        for trace_id, one in found
    ]
    return Section(
        "recent", "Newest decisions", sentence=f"The newest {len(rows)} that were logged in the last 24 hours.",
        tables=[Table("Logged decisions", names, rows)],
    )  # fmt: skip


def _path(found: Told, titles: Mapping[str, str], pages: Mapping[str, str]) -> Section:
    ways = found.journey.ways
    if not ways:
        return Section("path", "The path of each item", missing="No item was placed, and no event names the trace yet.")
    drawn = ways[:MOST_DRAWN]
    picture = Picture(
        "path",
        "From request to order",
        charts.ways([_came(way, found.journey, titles) for way in drawn], steps=COLUMNS),
        [_taken(way) for way in drawn],
        "One row per item: a dot at each step that it took, from the request on the left to the order.",
    )
    notes = [f"The first {MOST_DRAWN} of {len(ways)} items are drawn."] if len(ways) > MOST_DRAWN else []
    notes += ["There are more than 1,000 events; the first are shown."] if found.trace.is_cut else []
    table = _table(ways, titles, pages)
    return Section("path", "The path of each item", pictures=[picture], tables=[table], notes=notes)


def _came(way: Way, journey: Journey, titles: Mapping[str, str]) -> Came:
    there = {STEPS.index(step.type) + 2 for step in way.steps if step.type in STEPS}
    begun = ({0} if journey.asked_at else set()) | ({1} if way.slot else set())
    last = next((step for step in reversed(way.steps) if step.type == way.reached), None)
    done = DONE.get(way.reached, "")
    note = f"{done} {_delay(last)}".strip() if last else done or words.listing(sorted({s.type for s in way.steps}))
    worth = f", {words.money(last.value, last.currency)}" if last and last.value and last.currency else ""
    return Came(
        label=" · ".join(part for part in (_name(way, titles), _recalled(way)) if part),
        note=f"{note}{worth}",
        tone=TONES.get(way.reached, "unsettled"),
        at=frozenset(there | begun),
        tips="; ".join(f"{step.type} {_delay(step)}" for step in way.steps[:12]) or done,
        short=done or note,
    )


def _table(ways: Sequence[Way], titles: Mapping[str, str], pages: Mapping[str, str]) -> Table:
    names = heads("Item", "#Position", "Placed by", "Recalled by", "#Score", "Seen", "Clicked", "In cart", "Ordered")
    rows = [
        row(
            Cell(_name(way, titles), way.item if titles.get(way.item) else "", "name"),
            words.BLANK if way.position is None else way.position,
            _placed(way, pages),
            _recalled(way) or words.BLANK,
            words.number(way.score, 3),
            *(_first(way, name) for name in STEPS),
        )
        for way in ways[:MOST_LISTED]
    ]
    return Table("What became of each item", names, rows)


def _events(found: Told) -> Section:
    names = heads("Event", "Item", "When", "After the request", "Where it is", "Order")
    steps = sorted(((s, way.item) for way in found.journey.ways for s in way.steps), key=lambda one: one[0].at)
    rows = [
        row(
            Cell(step.type, tone="name"),
            item or words.BLANK,
            f"{step.at:%-d %b %H:%M:%S}",
            words.BLANK if step.delay is None else _delay(step),
            _where(step),
            Cell(
                step.order_id or words.BLANK,
                words.money(step.value, step.currency) if step.value and step.currency else "",
            ),
        )
        for step, item in steps[:MOST_LISTED]
    ]
    if not rows:
        return Section("events", "Events", missing="No event names this trace yet.")
    waiting = sum(step.is_waiting for step, _ in steps)
    late = sum(step.late_by is not None for step, _ in steps)
    told = [f"{words.plural(len(steps), 'event')} {'names' if len(steps) == 1 else 'name'} this trace"]
    told += [f"{words.count(waiting)} still on the way to the lake"] if waiting else []
    told += [f"{words.count(late)} came more than an hour late"] if late else []
    table = Table("Events by time", names, rows, is_folded=True)
    return Section("events", "Events", sentence=f"{'; '.join(told)}.", tables=[table])


def _where(step: Step) -> Cell:
    if step.is_waiting:
        return Cell("inbox", "a few seconds", "info")
    if step.late_by is not None:
        return Cell("lake", f"{words.duration(timedelta(seconds=step.late_by))} late", "warn")
    return Cell("lake")


def _placed(way: Way, pages: Mapping[str, str]) -> Cell:
    if way.slot is None:
        return Cell("the recommender" if way.item else words.BLANK)
    chance = way.slot.get("propensity")
    how = f"{way.slot['source']}, table {way.slot['table']}, row {way.slot['row']}"
    told = f"{how}, chance {words.percent(chance)}" if chance is not None else how
    return Cell(str(way.slot["campaign"]), told, link=pages.get(way.slot["campaign"], ""))


def _recalled(way: Way) -> str:
    return " → ".join(part for part in (way.recall_source, way.ranker) if part)


def _first(way: Way, name: str) -> Any:
    step = next((step for step in way.steps if step.type == name), None)
    if step is None:
        return words.BLANK
    return _delay(step) if step.delay is not None else f"{step.at:%H:%M:%S}"


def _delay(step: Step) -> str:
    """After the request."""
    if step.delay is None:
        return f"at {step.at:%H:%M:%S}"
    if step.delay < 0:
        return f"{-step.delay:.1f} s before".replace(".0 s", " s")
    short = f"{step.delay:.1f} s".replace(".0 s", " s")
    return f"after {short if step.delay < 60 else words.duration(timedelta(seconds=step.delay))}"


def _name(way: Way, titles: Mapping[str, str]) -> str:
    return titles.get(way.item) or way.item or "no item named"


def _taken(way: Way) -> dict[str, Any]:
    told = {"item_id": way.item, "recall_source": way.recall_source, "ranker": way.ranker, "position": way.position}
    return told | {"placed_by": way.slot["campaign"] if way.slot else None} | {
        f"{name}_after_seconds": next((s.delay for s in way.steps if s.type == name), None) for name in STEPS
    }  # fmt: skip


def _at(decision: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(decision["at"])


def _kind(who: Sequence[tuple[str, str]]) -> str:
    return who[0][0] if who else ""


def _arms(decision: Mapping[str, Any]) -> str:
    return words.plural(len(decision.get("assignments") or ()), "experiment") + " met"


def _mix(objectives: Mapping[str, Any] | None) -> str:
    if not objectives:
        return words.BLANK
    return " / ".join(words.percent(objectives["weights"].get(one), 2) for one in ("user", "merchant", "platform"))
