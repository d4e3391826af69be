"""The world that a campaign would meet: its pool and what is believed of it, and its scenario's traffic and delays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bandits import learning, viewing, weighing
from bandits.learning import Known
from bandits.models import Campaign, Posterior
from bandits.policies import positions
from bandits.policies.beliefs import Beliefs, Beta, Hurdle
from bandits.policies.simulation import ROWS, Vector, World
from firstlight.kernel.withheld import Withheld

DRAWS = 6e8  # draws of items that a simulation may take: about a minute
HOURS = (1, 2, 3, 4, 6, 8, 12, 24)  # of a step
PAST = timedelta(days=28)  # from which traffic and newcomers are taken


class UnableToSimulate(Exception):
    """What is missing, in words."""


@dataclass(frozen=True, slots=True, eq=False)
class Prospect:
    """What a simulation starts from."""

    world: World
    prior: Beta  # what is believed of each item before the first day
    notes: tuple[str, ...]  # what the world stands on, in words


def prospect(campaign: Campaign, asked: Mapping[str, Any], *, n_runs: int, at: datetime) -> Prospect:
    """Of `n_runs` runs of `asked["days"]` days. Raises `UnableToSimulate`."""
    known = learning.known_of(campaign, at)
    if not known.items:
        raise UnableToSimulate("No item satisfies its pool rule.")
    row = learning.posteriors(known, None)[0]
    now, (bar, bar_note) = conversion(row.beliefs), _bar(campaign, row, known)
    joins = _newcomers(known, asked["days"])
    prior = _with_newcomers(now, len(joins))
    hours = step_hours(len(prior.items), asked["days"], n_runs)
    requests, traffic_note = _traffic(known, asked)
    arrived, delay_note = _arrived(known, hours)
    kappas, slots_note = _kappas(known)
    world = World(
        prior.a,
        prior.b,
        np.concatenate([np.zeros(len(now.items)), joins * 24 / hours]),
        kappas,
        np.tile(requests.reshape(-1, hours).sum(axis=1), asked["days"]),
        arrived,
        float(hours),
        asked["drift"],
        bar,
    )
    told = f"{len(now.items):,} items are in the pool now, and {len(joins):,} join, as many a day as lately."
    return Prospect(world, prior, (told, traffic_note, bar_note, delay_note, slots_note))


def conversion(beliefs: Beliefs) -> Beta:
    """Whether an impression is rewarded; of money, whether it earns any."""
    match beliefs:
        case Beta() | Hurdle():
            return Beta(beliefs.items, beliefs.a, beliefs.b)
    raise UnableToSimulate("Only rewards of at most one an impression, and money, can be played.")


def step_hours(n_items: int, days: int, n_runs: int) -> int:
    """Shorter than an hour nothing is learned; longer steps where the pool is large."""
    draws_an_hour = n_items * ROWS * days * 24 * n_runs
    return next((hours for hours in HOURS if draws_an_hour / hours <= DRAWS), HOURS[-1])


def _bar(campaign: Campaign, row: Posterior, known: Known) -> tuple[float, str]:
    """The middle one of the items; of money as the share of impressions that earn it.

    Where the campaign has none yet, the middle item of its own pool stands in, as the notes say: what a setting finds
    and costs beside another can be told all the same.
    """
    found = weighing.bars_of(campaign, weighing.looked_at(campaign, row, known.at), {item.key for item in known.items})
    if isinstance(found, Withheld):
        middle_item = float(np.median(conversion(row.beliefs).mean))
        return middle_item, f"There is no bar yet ({found.reason.value}): the middle item of the pool stands in."
    bars = sorted((found.of(category) for category in known.shelf.categories), key=lambda bar: bar.value)
    middle = bars[len(bars) // 2]
    if not viewing.is_money(campaign):
        return middle.value, f"The bar is {middle.value:.3g} an impression: {middle.origin}."
    worth = float(np.mean(row.beliefs.mean / conversion(row.beliefs).mean))
    told = f"The bar is {middle.value:.3g} an impression ({middle.origin}), at {worth:.3g} an order: orders are played."
    return middle.value / worth, told


def _newcomers(known: Known, days: int) -> Vector:
    """Days after the start at which items join, evenly; none where the pool does not ask for new ones."""
    campaign = known.campaign
    if not campaign.pool_by_rule or campaign.pool_max_age_days is None:
        return np.empty(0)
    span = min(PAST, timedelta(days=campaign.pool_max_age_days))
    lately = sum(known.at - span < item.listed_at <= known.at for item in known.items)
    n = round(lately * days / span.days)
    return (np.arange(n) + 0.5) * days / max(n, 1)


def _with_newcomers(now: Beta, n: int) -> Beta:
    """Who joins is believed to be what the pool is on average, at the prior's own strength: that of the least known."""
    least = int(np.argmin(now.a + now.b))
    strength, mean = float((now.a + now.b)[least]), float(now.mean.mean())
    names = tuple(f"newcomer {i}" for i in range(n))
    a, b = (np.full(n, part * strength) for part in (mean, 1 - mean))
    return Beta(now.items + names, np.concatenate([now.a, a]), np.concatenate([now.b, b]))


def _traffic(known: Known, asked: Mapping[str, Any]) -> tuple[Vector, str]:
    """Requests by UTC hour, shape (24,)."""
    placed = known.cells.filter(
        pc.and_(pc.greater(known.cells["position"], 0), pc.greater(known.cells["day"], (known.at - PAST).date()))
    )
    by_hour = _by_hour(placed)
    if (wanted := asked.get("requests_a_day")) is not None:
        shape = by_hour / by_hour.sum() if by_hour.any() else np.full(24, 1 / 24)
        return shape * wanted, f"{wanted:,.0f} requests a day, as asked for."
    if not by_hour.any():
        raise UnableToSimulate("No impression in a known slot was seen here lately: say how many requests come a day.")
    return by_hour, f"{by_hour.sum():,.0f} requests a day, as lately."


def _by_hour(placed: pa.Table) -> Vector:
    """A page shows a slot once, so the slot seen most often counts the pages; the mean of the days that had any."""
    if not placed.num_rows:
        return np.zeros(24)
    slots = placed.group_by(["day", "hour", "position"]).aggregate([("trials", "sum")])
    pages = slots.group_by(["day", "hour"]).aggregate([("trials_sum", "max")])
    n_days = len(pc.unique(pages["day"]))
    return np.bincount(pages["hour"].to_numpy(), pages["trials_sum_max"].to_numpy(), 24) / n_days


def _arrived(known: Known, hours: int) -> tuple[Vector, str]:
    """Of what is shown in a step, in the middle of it on average, the share known when so many more have passed."""
    took = known.lens.delays
    if took is None or isinstance(took, Withheld):
        return np.ones(1), "Rewards come at once: no delays are known."
    steps = ceil(known.campaign.attribution_hours / hours)
    arrived = took.arrived((np.arange(steps) + 0.5) * hours)
    arrived[-1] = 1.0
    return arrived, f"Rewards take as long as {took.n:,.0f} of them did."


def _kappas(known: Known) -> tuple[Vector, str]:
    campaign, examined = known.campaign, known.lens.examined
    slots = sorted(set(campaign.positions))[: campaign.most_per_page]
    if examined is None or isinstance(examined, Withheld):
        return np.ones(len(slots)), "Every slot is looked at alike: nothing else is known."
    return positions.weights(examined, slots), "Slots are looked at as the logs tell."
