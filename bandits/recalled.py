"""The choices that a campaign's slots saw in 30 days: each with its propensity, and what it earned.

A choice is a trial of the ledger (bandits.counting) whose propensity was logged, by our own decision or by the sender,
and whose attribution time is over: a reward that may still come is no failure. What it earned is what the campaign's
reward says. Choices of which it cannot be told what another policy would have done are left out, and counted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from django.db.models import F, Func, TextField, Value
from numpy.typing import NDArray

from bandits import counting, decided, earned, ledgers, viewing
from bandits.decided import Decision
from bandits.models import Campaign, DrawTable
from bandits.served import Filter
from firstlight.kernel.windows import Window
from firstlight.lake import engine

Vector = NDArray[np.float64]

HISTORY, DAY, HOUR = timedelta(days=30), timedelta(days=1), timedelta(hours=1)
MOST_CONTEXTS = 300  # different filters that are counted, the most frequent: each takes milliseconds per policy
SENDER = 0  # the table of a choice that was not ours: no table has this number
COUNTS = {"clicks": "click", "carts": "cart", "orders": "order"}  # columns of the ledger, of a trial

WAITING = "reward may still come"
UNCOUNTED = "propensity was not counted"
UNKNOWN = "decision is not in the log"
RARE = "filter is too rare to be counted"


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What a policy needs to know of a request to tell what it would have done."""

    segment: str
    limits: Filter | None
    pool: int | None  # a table with the items that were in the pool then; None: not known
    k: int  # slots

    @property
    def key(self) -> object:
        return self.segment, self.limits.key if self.limits else None, self.pool, self.k


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """A whole slate of ours, of which something was seen."""

    decision: Decision
    rewards: tuple[float, ...]  # by slot; what was not seen earned nothing
    context: Context


@dataclass(frozen=True, slots=True, eq=False)
class Recalled:
    """n choices; arrays have shape (n,)."""

    items: tuple[str, ...]
    slot: NDArray[np.intp]  # from 0
    propensity: Vector
    reward: Vector
    unit: NDArray[Any]
    table: NDArray[np.intp]  # that chose, or `SENDER`
    context: NDArray[np.intp]  # of each choice, in `contexts`
    contexts: tuple[Context, ...]
    pages: tuple[Page, ...]
    left_out: Mapping[str, int]  # choices, by why


class Trial(NamedTuple):
    view: str
    item: str
    campaign: str
    position: int
    propensity: float | None
    is_over: bool
    reward: float


class Choice(NamedTuple):
    trial: Trial
    slot: int
    unit: str
    table: int
    context: Context


def recall(campaign: Campaign, *, at: datetime) -> Recalled:
    asked, days = ledgers.counted_as(ledgers.of(campaign), at), Window(at - HISTORY, at)
    with engine.events(days.widened(before=DAY, after=DAY)) as events:
        made = {one.view: one for one in decided.decisions(campaign, events)}
        rows = _in_slots(counting.trials(events, asked, days), campaign).to_pyarrow()
    rows = rows.sort_by([(name, "ascending") for name in earned.TRIAL])  # for the last digits of sums
    return of_trials(campaign, trials(campaign, rows, at), made)


def trials(campaign: Campaign, rows: pa.Table, at: datetime) -> list[Trial]:
    worth = rewards(rows, viewing.mix(campaign), float(campaign.value_cap)).tolist()
    end = (at - timedelta(hours=campaign.attribution_hours) - HOUR).astimezone(UTC).replace(tzinfo=None)
    shown = rows["day"].to_numpy().astype("datetime64[h]") + rows["hour"].to_numpy().astype("timedelta64[h]")
    over = (shown <= np.datetime64(end)).tolist()
    said = [rows[name].to_pylist() for name in ("view", "item_id", "campaign", "position", "propensity")]
    return [Trial(*one) for one in zip(*said, over, worth, strict=True)]


def rewards(rows: pa.Table, mix: Mapping[str, float], value_cap: float) -> Vector:
    """What each trial earned, shape (n,), by what the columns of the ledger are worth."""
    net = np.clip(rows["net"].to_numpy().astype(np.float64), 0.0, value_cap)
    columns = {column: rows[kind].is_valid().to_numpy().astype(np.float64) for column, kind in COUNTS.items()}
    columns |= {"net": net, "share": net / value_cap}
    return sum((worth * columns[name] for name, worth in mix.items()), np.zeros(len(net)))


def of_trials(campaign: Campaign, seen: Sequence[Trial], made: Mapping[str, Decision]) -> Recalled:
    pools, left = _pools({one.table for one in made.values()}), Counter[str]()
    known: list[Choice] = []
    for trial in seen:
        found = _choice(campaign, trial, made.get(trial.view), pools)
        if isinstance(found, str):
            left[found] += 1
        else:
            known.append(found)
    often = Counter(one.context.key for one in known).most_common(MOST_CONTEXTS)
    place = {key: number for number, (key, _) in enumerate(often)}
    kept = [one for one in known if one.context.key in place]
    left[RARE] += len(known) - len(kept)
    contexts = {one.context.key: one.context for one in kept}
    pages = [page for page in _pages(seen, made, pools) if page.context.key in place]
    return Recalled(
        tuple(one.trial.item for one in kept),
        np.array([one.slot for one in kept], np.intp),
        np.array([one.trial.propensity for one in kept], np.float64),
        np.array([one.trial.reward for one in kept], np.float64),
        np.array([one.unit for one in kept], object),
        np.array([one.table for one in kept], np.intp),
        np.array([place[one.context.key] for one in kept], np.intp),
        tuple(contexts[key] for key in place),
        tuple(pages),
        +left,
    )


def _in_slots(trials: Any, campaign: Campaign) -> Any:
    """Ours, and what a sender chose for our slots with a propensity of its own."""
    sent = (trials["campaign"] == "") & trials["propensity"].notnull() & trials["position"].isin(campaign.positions)
    return trials.filter((trials["campaign"] == campaign.key) | sent)


def _choice(campaign: Campaign, trial: Trial, decision: Decision | None, pools: Mapping[int, int]) -> Choice | str:
    """Or why it is left out."""
    if not trial.is_over:
        return WAITING
    if not trial.propensity:
        return UNCOUNTED
    if not trial.campaign:
        places = sorted(set(campaign.positions))
        asked = Context("", None, None, len(places))
        return Choice(trial, places.index(trial.position), trial.view, SENDER, asked)
    if decision is None or trial.item not in decision.items:
        return UNKNOWN
    slot = decision.items.index(trial.item)
    return Choice(trial, slot, decision.unit, decision.table, _context(decision, pools))


def _context(decision: Decision, pools: Mapping[int, int]) -> Context:
    return Context(decision.segment, decision.limits, pools.get(decision.table), len(decision.items))


def _pages(seen: Sequence[Trial], made: Mapping[str, Decision], pools: Mapping[int, int]) -> Iterator[Page]:
    """Of views that are over, with every propensity."""
    earned: dict[str, dict[str, float]] = {}
    waiting = {trial.view for trial in seen if not trial.is_over}
    for trial in seen:
        if trial.campaign and trial.view not in waiting:
            of_view = earned.setdefault(trial.view, {})
            of_view[trial.item] = of_view.get(trial.item, 0.0) + trial.reward
    for view, rewards in earned.items():
        if (decision := made.get(view)) and None not in decision.chances:
            by_slot = tuple(rewards.get(item, 0.0) for item in decision.items)
            yield Page(decision, by_slot, _context(decision, pools))


def _pools(numbers: set[int]) -> dict[int, int]:
    """Of each table the first one with the same items: a pool changes less often than what is believed of it."""
    joined = Func(F("items"), Value("\n"), function="array_to_string", output_field=TextField())
    items = Func(joined, function="md5", output_field=TextField())
    first: dict[str, int] = {}
    rows = DrawTable.objects.filter(pk__in=numbers).order_by("pk").annotate(pool=items).values_list("pk", "pool")
    return {number: first.setdefault(pool, number) for number, pool in rows}
