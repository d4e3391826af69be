"""Experiments evaluated in process, without a server: what a request costs, and what a million units cost at once.

The reference is the PyPI package growthbook on the same experiments, attributes and units; the arms must be the same.
Times are of the processor, which others on the machine disturb least.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from growthbook import GrowthBook

from bench import stack
from firstlight.assignment.batch import positions
from firstlight.assignment.index import Index, assign
from firstlight.assignment.rules import Arm, Rule, ranges

EXPERIMENTS, UNITS, REPEATS = 50, 1_000, 7
LIVE, MATCHING = 1_000, 20
MANY = 1_000_000

# What the experiments ask of a request, in turn; the attributes below meet all of it.
TARGETING: tuple[dict[str, Any], ...] = (
    {"country": "IN"},
    {"country": {"$in": ["BR", "IN", "US"]}, "platform": "android"},
    {"app_version": {"$vgte": "5.0.0"}},
    {"$or": [{"platform": "ios"}, {"platform": "android", "app_version": {"$vgte": "4.9"}}]},
    {"platform": {"$ne": "web"}, "country": {"$nin": ["US"]}},
)
ATTRIBUTES = {"country": "IN", "platform": "android", "app_version": "5.2.0"}


def run() -> None:
    beside_growthbook()
    among_many()
    in_bulk()


def beside_growthbook() -> None:
    rules = [rule(f"experiment-{i}", TARGETING[i % len(TARGETING)]) for i in range(EXPERIMENTS)]
    index, units = Index.of(rules), [f"u-{i}" for i in range(UNITS)]
    features = {one.key: feature(one) for one in rules}
    theirs = GrowthBook(features=features, attributes={})

    def ask_them(unit: str) -> dict[str, Any]:
        theirs.set_attributes({**ATTRIBUTES, "user_id": unit})
        return {key: theirs.eval_feature(key).value for key in features}

    for unit in units:
        ours = {met.key: arm.key for met, arm in index.assign({"user_id": unit}, ATTRIBUTES)}
        if ours != ask_them(unit):
            raise RuntimeError(f"{unit} is in other arms there")
    ours_took = each(units, lambda unit: index.assign({"user_id": unit}, ATTRIBUTES))
    theirs_took = each(units[:100], ask_them)
    told = f"{ours_took * 1e6:.1f} us for {EXPERIMENTS} experiments and one unit"
    stack.line("evaluate", told, f"growthbook {theirs_took * 1e6:,.0f} us", theirs_took / ours_took)
    apart = {unit: {**ATTRIBUTES, "app_version": f"5.2.{place}"} for place, unit in enumerate(units)}
    anew = each(units, lambda unit: index.assign({"user_id": unit}, apart[unit]))
    told = f"{anew * 1e6:.1f} us where no two units have the same attributes"
    stack.line("evaluate", told, f"growthbook {theirs_took * 1e6:,.0f} us", theirs_took / anew)


def among_many() -> None:
    """Those for other countries cost nothing."""
    here = [rule(f"here-{i}", TARGETING[i % 2]) for i in range(MATCHING)]
    elsewhere = [rule(f"there-{i}", {"country": f"C{i % 49}"}) for i in range(LIVE - MATCHING)]
    units = [f"u-{i}" for i in range(UNITS)]
    alone, among = Index.of(here), Index.of([*here, *elsewhere])
    if any(len(among.assign({"user_id": unit}, ATTRIBUTES)) != MATCHING for unit in units):
        raise RuntimeError("others match")
    few = each(units, lambda unit: alone.assign({"user_id": unit}, ATTRIBUTES))
    many = each(units, lambda unit: among.assign({"user_id": unit}, ATTRIBUTES))
    told = f"{many * 1e6:.1f} us for {LIVE:,} experiments of which {MATCHING} match"
    stack.line("evaluate", told, f"the {MATCHING} alone {few * 1e6:.1f} us", few / many)


def in_bulk() -> None:
    one, ids = rule("experiment-1", {}), np.array([f"u-{i}" for i in range(MANY)])
    found = positions(one, ids)
    some = ids[:: MANY // 10_000].tolist()
    alone = [assign(one, {"user_id": unit}) for unit in some]
    if [one.arms[place] for place in found[:: MANY // 10_000].tolist()] != alone:
        raise RuntimeError("other arms than one by one")
    index = Index.of([one])
    took = best(lambda: positions(one, ids)) / MANY
    singly = each(some, lambda unit: index.assign({"user_id": unit}))
    told = f"{1e-6 / took:.1f} M assignments/s, {MANY:,} units x 1 experiment"
    stack.line("batch", told, f"one by one {1e-6 / singly:.2f} M/s", singly / took)


def rule(key: str, condition: dict[str, Any]) -> Rule:
    arms = (Arm("control", 0.5), Arm("treatment", 0.5))
    return Rule(key, 1, key, "user_id", arms, 1.0, ranges([0.5, 0.5], 1.0), ("home_feed",), condition=condition)


def feature(of: Rule) -> dict[str, Any]:
    """The same experiment for the SDK."""
    return {
        "defaultValue": "",
        "rules": [
            {
                "key": of.key,
                "seed": of.seed,
                "hashVersion": 2,
                "hashAttribute": of.unit,
                "variations": [arm.key for arm in of.arms],
                "ranges": [list(span) for span in of.ranges],
                "condition": of.condition,
            }
        ],
    }


def each(units: Sequence[str], ask: Callable[[str], object]) -> float:
    """Seconds of one call: the best of several rounds, for noise only adds."""

    def ask_all() -> None:
        for unit in units:
            ask(unit)

    return best(ask_all) / len(units)


def best(once: Callable[[], object]) -> float:
    took = []
    for _ in range(REPEATS):
        began = time.process_time()
        once()
        took.append(time.process_time() - began)
    return min(took)
