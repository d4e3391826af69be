"""What the cells of a ledger say about items now: each impression as much of a trial as it is, each reward as it fades.

An impression weighs half of what it did after every half-life, is the part of a trial that its slot is looked at, and
the part whose reward would have come by now. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bandits.policies import positions
from bandits.policies.delays import Delays
from bandits.policies.discount import weight
from bandits.policies.positions import Examined
from bandits.policies.values import LogValues, Vector
from firstlight.kernel.withheld import Withheld

Mix = Mapping[str, float]  # what a column of the ledger is worth: {"clicks": 1.0}


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """How a campaign looks at a ledger at one time."""

    at: datetime  # UTC
    mix: Mix
    rewarded: str  # the column that counts impressions with any reward
    delays: Delays | Withheld | None  # None: what has come is all that comes
    examined: Mapping[int, Examined] | Withheld | None  # None: every slot alike
    half_life_days: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Of each item; arrays in the order of `items`."""

    items: tuple[str, ...]
    trials: Vector  # impressions, as they weigh
    successes: Vector  # rewards, as they weigh
    rewarded: Vector  # impressions with any, as they weigh
    values: LogValues  # of the logarithms of positive net values
    impressions: Vector  # as they were
    rewards: Vector  # as they were

    def of(self, items: Sequence[str]) -> "Evidence":
        """In another order; nothing of items that were never shown."""
        place = {item: index for index, item in enumerate(self.items)}
        at = np.array([place.get(item, -1) for item in items], np.intp)
        names = ("trials", "successes", "rewarded", "impressions", "rewards")
        several = {name: _at(getattr(self, name), at) for name in names}
        values = LogValues(*(_at(column, at) for column in (self.values.n, self.values.mean, self.values.m2)))
        return Evidence(tuple(items), values=values, **several)


def seen(cells: pa.Table, lens: Lens) -> Evidence:
    """Of all items in the cells, sorted by key."""
    items, place = _places(cells["item_id"])
    n = len(items)
    ages = age_hours(cells, lens.at)
    fading = weight(ages / 24, lens.half_life_days)
    counted = {name: cells[name].to_numpy() for name in ("trials", "valued", "log_mean", "log_m2", lens.rewarded)}
    reward = sum((worth * cells[name].to_numpy() for name, worth in lens.mix.items()), np.zeros(len(ages)))

    def total(values: Vector) -> Vector:
        return np.bincount(place, values, n).astype(np.float64)

    logs = LogValues(counted["valued"], counted["log_mean"], counted["log_m2"]).weighed(fading)
    return Evidence(
        items,
        total(counted["trials"] * fading * examination(cells, lens) * arrival(ages, lens)),
        total(reward * fading),
        total(counted[lens.rewarded] * fading),
        logs.grouped(place, n),
        total(counted["trials"]),
        total(reward),
    )


def age_hours(cells: pa.Table, at: datetime) -> Vector:
    """Since the middle of the hour of each cell."""
    days = cells["day"].to_numpy().astype("datetime64[D]").astype("datetime64[s]")
    start = days + cells["hour"].to_numpy().astype("timedelta64[h]")
    middle = (np.datetime64(at.replace(tzinfo=None), "s") - start) / np.timedelta64(3600, "s") - 0.5
    return np.asarray(np.maximum(middle, 0.0), np.float64)


def examination(cells: pa.Table, lens: Lens) -> Vector:
    places = cells["position"].to_numpy()
    return np.ones(len(places)) if lens.examined is None else positions.weights(lens.examined, places)


def arrival(ages: Vector, lens: Lens) -> Vector:
    if lens.delays is None or isinstance(lens.delays, Withheld):
        return np.ones(len(ages))
    # Delays are known by the hour. Taken to come evenly within the first, clicks that come at once would make half a
    # trial of an impression that has had all it gets, and a new item look twice as good as it is.
    return lens.delays.arrived(np.maximum(ages, 1.0))


def _places(items: pa.ChunkedArray) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """The different items, sorted, and for each row the index of its own. NumPy takes fifteen times as long."""
    coded = items.combine_chunks().dictionary_encode()
    names = coded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.intp)
    rank[order] = np.arange(len(names))
    return tuple(names[i] for i in order), rank[coded.indices.to_numpy()]


def _at(values: Vector, at: np.ndarray) -> Vector:
    return np.where(at >= 0, np.append(values, 0.0)[at], 0.0)
