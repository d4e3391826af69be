"""New items without end: 20 more with every 2,000 requests of two slots, of which the good ones are to be found.

Rates are Beta(2, 98), the bar is .03, both slots are looked at; 250 batches (docs/methods.md, Cold start). After each
batch beliefs are brought up, who is decided leaves, and the next table is drawn: `python -m
tests.bandits.simulations.cold_start` prints the figures of five seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bandits.policies import priors
from bandits.policies.beliefs import Beta, Vector
from bandits.policies.graduation import Record, Rule, decisions

BATCHES, NEW, REQUESTS, SLOTS, BAR = 250, 20, 2000, 2, 0.03
ROWS = 256  # rankings a batch
GRACE = 50  # batches after which a good item that was not shown 100 times is starved
RULE = Rule(least_age_hours=0.0)

Prior = Callable[[Vector, Vector], tuple[Vector, Vector]]  # from impressions and clicks of all items ever shown


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What became of the items of one run, in the order of their arrival."""

    rate: Vector
    shown: Vector
    clicked: Vector
    graduated: NDArray[np.bool_]
    retired: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Figures:
    per_thousand: float  # clicks per 1,000 impressions
    on_good: float  # share of the impressions that were on items above the bar
    precision: float  # share of the graduated items that are above the bar
    recall: float  # share of the decided good items that graduated
    starved: float  # share of the good items of `GRACE` batches and more with fewer than 100 impressions
    decided: float  # share of the good items of `GRACE` batches and more that graduated or were retired


def known(a: float, b: float) -> Prior:
    return lambda shown, clicked: (np.full(len(shown), a), np.full(len(shown), b))


def fitted(shown: Vector, clicked: Vector) -> tuple[Vector, Vector]:
    """As a campaign does that knows nothing but its own items."""
    names = [""] * len(shown)
    rate = priors.observed_rate(float(shown.sum()), float(clicked.sum()))
    found = priors.fitted(shown, clicked, names, names, rate=rate, cap=100)
    return found.a, found.b


def play(
    prior: Prior | None, rng: Generator, *, floor: float = 0.0, rule: Rule = RULE, batches: int = BATCHES
) -> Course:
    """One run; without a prior items are shown uniformly, and decided under the right one."""
    n = NEW * batches
    rate = rng.beta(2, 98, n)
    shown, clicked = np.zeros(n), np.zeros(n)
    graduated, retired = np.zeros(n, bool), np.zeros(n, bool)
    for batch in range(batches):
        came = NEW * (batch + 1)
        inside = np.flatnonzero(~(graduated | retired)[:came])
        counts = (
            _uniform(len(inside), rng)
            if prior is None
            else _shown(_beliefs(prior, inside, shown, clicked, came), floor, rng)
        )
        shown[inside] += counts
        clicked[inside] += rng.binomial(counts, rate[inside])
        believed = _beliefs(prior or known(2, 98), inside, shown, clicked, came)
        decided = decisions(rule, believed, BAR, Record.fresh(shown[inside], np.ones(len(inside))))
        graduated[inside], retired[inside] = decided.graduate, decided.retire
    return Course(rate, shown, clicked, graduated, retired)


def per_thousand(runs: list[Course]) -> float:
    """Clicks per 1,000 impressions."""
    return float(1000 * sum(run.clicked.sum() for run in runs) / sum(run.shown.sum() for run in runs))


def figures(runs: list[Course]) -> Figures:
    """Of all runs together; each of more than `GRACE` batches."""
    good = np.concatenate([run.rate > BAR for run in runs])
    shown, graduated, retired = (
        np.concatenate([getattr(run, name) for run in runs]) for name in ("shown", "graduated", "retired")
    )
    old = np.concatenate([np.arange(len(run.rate)) < len(run.rate) - GRACE * NEW for run in runs])
    return Figures(
        per_thousand=per_thousand(runs),
        on_good=float(shown[good].sum() / shown.sum()),
        precision=float(good[graduated].mean()),
        recall=float(graduated[good & (graduated | retired)].mean()),
        starved=float((shown[good & old] < RULE.least_impressions).mean()),
        decided=float((graduated | retired)[good & old].mean()),
    )


def _beliefs(prior: Prior, inside: NDArray[np.intp], shown: Vector, clicked: Vector, came: int) -> Beta:
    a, b = prior(shown[:came], clicked[:came])
    return Beta(tuple(map(str, inside.tolist())), a[inside], b[inside]).after(shown[inside], clicked[inside])


def _shown(believed: Beta, floor: float, rng: Generator) -> NDArray[np.int64]:
    """Impressions of a batch: its requests are dealt over the rows; the floor gives one slot to anyone."""
    n = len(believed.items)
    drawn = rng.beta(believed.a, believed.b, (ROWS, n))
    best = np.argpartition(-drawn, SLOTS - 1, axis=1)[:, :SLOTS]
    times = rng.multinomial(REQUESTS, np.full(ROWS, 1 / ROWS))
    counts = np.bincount(best.ravel(), np.repeat(times, SLOTS), n).astype(np.int64)
    given = rng.binomial(REQUESTS, floor)
    taken = rng.multivariate_hypergeometric(counts, given, method="marginals")
    return np.asarray(counts - taken + rng.multinomial(given, np.full(n, 1 / n)), np.int64)


def _uniform(n: int, rng: Generator) -> NDArray[np.int64]:
    return np.asarray(rng.multinomial(REQUESTS * SLOTS, np.full(n, 1 / n)), np.int64)


SETTINGS: dict[str, tuple[Prior | None, float]] = {
    "Beta(2, 98)": (known(2, 98), 0.0),
    "Beta(2, 98), floor 5 %": (known(2, 98), 0.05),
    "fitted to its items": (fitted, 0.05),
    "Beta(1, 99), the default": (known(1, 99), 0.05),
    "Beta(1, 1)": (known(1, 1), 0.0),
    "uniform": (None, 0.0),
}

if __name__ == "__main__":
    for name, (prior, floor) in SETTINGS.items():
        print(name, figures([play(prior, np.random.default_rng(seed), floor=floor) for seed in range(5)]), flush=True)
