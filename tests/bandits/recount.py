"""Events of a shop, and what a ledger should have of them, counted the plain way: event by event, all at once."""

import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from firstlight.lake import table as lake
from firstlight.lake.schema import EVENTS

START = datetime(2026, 11, 1, 20, tzinfo=UTC)
ITEMS = ("sku-1", "sku-2", "sku-3")
REWARDS = ("click", "cart", "order")
SUMS = ["trials", "clicks", "carts", "orders", "net", "valued", "share", "inverse", "inverse_clicks"]


@dataclass(frozen=True)
class Event:
    type: str
    at: datetime
    item: str | None = None
    trace: str | None = None
    user: str | None = "u-1"
    scenario: str | None = "home"
    value: float = 0.0
    currency: str = "EUR"
    order: str | None = None
    position: int | None = None
    propensity: float | None = None
    properties: dict[str, Any] | None = None
    discovery: Sequence[dict[str, Any]] = field(default=())
    id: str = ""

    @property
    def view(self) -> tuple[str, str] | None:
        if self.trace:
            return "trace", self.trace
        return ("unit", self.user) if self.user else None

    def row(self, batch: int) -> dict[str, Any]:
        return {
            "event_id": self.id,
            "type": self.type,
            "at": self.at.replace(tzinfo=None),
            "day": self.at.date(),
            "item_id": self.item,
            "trace_id": self.trace,
            "user_id": self.user,
            "scenario": self.scenario,
            "value": Decimal(f"{self.value:.4f}") if self.value else None,
            "currency": self.currency,
            "order_id": self.order,
            "position": self.position,
            "propensity": self.propensity,
            "discovery": list(self.discovery),
            "properties": json.dumps(self.properties) if self.properties is not None else None,
            "batch": batch,
        }


def arrive(batch: int, events: Iterable[Event]) -> None:
    lake.append(batch, pa.Table.from_pylist([event.row(batch) for event in events], schema=EVENTS))


class Way(NamedTuple):
    """Of counting."""

    attribution: timedelta
    cap: float
    segment_by: str = ""
    uniform: frozenset[int] = frozenset()


class Cell(NamedTuple):
    day: Any
    item_id: str
    segment: str
    campaign: str
    arm: str
    source: str
    position: int
    hour: int


Sums = dict[str, float]


def recounted(events: Iterable[Event], way: Way) -> tuple[dict[Cell, Sums], Counter[tuple[Any, str, int]]]:
    here = [e for e in events if e.scenario in (None, "home")]
    seen = [e for e in here if e.type == "impression" and e.scenario == "home" and e.item and e.view]
    trials: dict[tuple[Any, str, Any], list[Event]] = defaultdict(list)
    for e in seen:
        trials[e.view, str(e.item), e.at.date()].append(e)
    won = _won(here, seen, way)
    cells: dict[Cell, Sums] = defaultdict(lambda: dict.fromkeys(SUMS, 0.0))
    logs: dict[Cell, list[float]] = defaultdict(list)
    took: Counter[tuple[Any, str, int]] = Counter()
    for key, shown in trials.items():
        gained = won.get(key, {})
        place, propensity = _place(key, shown, here, way)
        sums = cells[place]
        net = min(max(gained.get("gross", 0.0) - gained.get("back", 0.0), 0.0), way.cap)
        sums["trials"] += 1
        for kind in REWARDS:
            sums[kind + "s"] += kind in gained
            if kind in gained:
                took[key[2], kind, int(gained[kind])] += 1
        sums["net"] += net
        sums["share"] += net / way.cap
        sums["valued"] += net > 0
        sums["inverse"] += 1 / propensity if propensity else 0.0
        sums["inverse_clicks"] += 1 / propensity if propensity and "click" in gained else 0.0
        logs[place] += [math.log(net)] if net > 0 else []
    for place, sums in cells.items():
        several = np.array(logs[place])
        sums["log_mean"] = float(several.mean()) if len(several) else 0.0
        sums["log_m2"] = float(((several - several.mean()) ** 2).sum()) if len(several) else 0.0
    return dict(cells), took


def _won(here: list[Event], seen: list[Event], way: Way) -> dict[Any, dict[str, float]]:
    """By trial: hours until the first of each kind, money earned, money taken back."""
    won: dict[Any, dict[str, float]] = defaultdict(dict)
    met: dict[str, tuple[Any, Event]] = {}  # order event -> its trial, and the impression
    for reward in (e for e in here if e.type in REWARDS and e.item):
        before = [s for s in seen if s.item == reward.item and timedelta(0) <= reward.at - s.at <= way.attribution]
        mine = (
            [s for s in before if s.trace == reward.trace]
            if reward.trace
            else [s for s in before if s.user and s.user == reward.user]
        )
        if not mine:
            continue
        shown = max(mine, key=lambda s: (s.at, (s.view or ("",))[0] != "trace", s.view))
        trial = (shown.view, reward.item, shown.at.date())
        hours = (reward.at - shown.at) // timedelta(hours=1)
        won[trial][reward.type] = min(won[trial].get(reward.type, hours), hours)
        won[trial]["gross"] = won[trial].get("gross", 0.0) + reward.value
        met[reward.id] = trial, shown
    for back in (e for e in here if e.type in ("refund", "cancel") and e.order):
        for line in _lines(here, back):
            if line.id in met:
                trial, shown = met[line.id]
                if timedelta(0) <= back.at - shown.at <= way.attribution:
                    won[trial]["back"] = won[trial].get("back", 0.0) + back.value
    return won


def _lines(here: list[Event], back: Event) -> list[Event]:
    """The order events that it reduces: the first of its item, or of all, on each day of the order."""
    lines = [e for e in here if e.type == "order" and e.item and e.order == back.order and back.item in (None, e.item)]
    days = {e.at.date() for e in lines}
    return [min((e for e in lines if e.at.date() == day), key=lambda e: (e.at, e.id)) for day in days]


def _place(key: Any, shown: list[Event], here: list[Event], way: Way) -> tuple[Cell, float | None]:
    view, item, day = key
    made = [
        e
        for e in here
        if e.type == "decision" and ("trace", e.trace) == view and e.at.date() in (day, day - timedelta(days=1))
    ]
    made.sort(key=lambda e: e.id)
    slots = [slot for e in made for slot in e.discovery if slot["item_id"] == item]
    told = [
        text for e in made if isinstance(text := (e.properties or {}).get("attributes", {}).get(way.segment_by), str)
    ]
    said = [text for e in shown if isinstance(text := (e.properties or {}).get(way.segment_by), str)]
    slot = slots[-1] if slots else {}
    segment = (told[-1:] or [max(said, default="")])[0] if way.segment_by else ""
    sent_position = min((e.position for e in shown if e.position is not None), default=0)
    sent = min((e.propensity for e in shown if e.propensity is not None), default=None)
    arm = ("uniform" if slot["table"] in way.uniform else "learned") if slot else ""
    hour = max(e.at for e in shown).hour
    cell = Cell(
        day,
        item,
        segment,
        slot.get("campaign", ""),
        arm,
        slot.get("source", ""),
        slot.get("position", sent_position),
        hour,
    )
    return cell, slot.get("propensity", sent)


def some(rng: random.Random, n: int, *, tables: Sequence[int] = (7, 8)) -> list[Event]:
    """Few traces, people, items and orders within five days, so that events meet, over midnight too."""
    return [_one(rng, f"{i:06d}", tables) for i in range(n)]


KINDS = ("impression",) * 5 + ("click", "click", "cart", "order", "order", "refund", "cancel", "decision", "decision")


def _one(rng: random.Random, name: str, tables: Sequence[int]) -> Event:
    kind = rng.choice(KINDS)
    at = START + timedelta(minutes=rng.randrange(5 * 24 * 60))
    trace, user = rng.choice([None, "t-1", "t-2", "t-3"]), rng.choice(["u-1", "u-2", "t-1", None])
    scenario = rng.choice(["home", "home", "home", "search"] + [None] * (kind in ("order", "refund", "cancel")))
    country: dict[str, Any] = rng.choice([{}, {"country": "IN"}, {"country": "BR"}, {"country": 7}])
    if kind == "decision":
        first, second = rng.sample(ITEMS, 2)
        slots = [_slot(rng, 3, first, tables), _slot(rng, 8, second, tables)]
        return Event(kind, at, None, trace, user, "home", properties={"attributes": country}, discovery=slots, id=name)
    item = rng.choice([*ITEMS, None] if kind in ("refund", "cancel") else ITEMS)
    money = round(rng.uniform(1, 150), 2) if kind in ("order", "refund", "cancel") else 0.0
    order = rng.choice(["o-1", "o-2", "o-3", None]) if money else None
    place, chance = rng.choice([(None, None), (1, 0.5), (2, 0.25)])
    return Event(kind, at, item, trace, user, scenario, money, "EUR", order, place, chance, country, id=name)


def _slot(rng: random.Random, position: int, item: str, tables: Sequence[int]) -> dict[str, Any]:
    source, chance = rng.choice(["table", "floor"]), rng.choice([0.1, 0.4, 0.7])
    numbers = {"table": rng.choice(tables), "row": 1, "propensity": chance}
    return {"position": position, "item_id": item, "campaign": "new", "source": source, **numbers}
