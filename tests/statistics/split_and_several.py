"""The split of the units, and several questions asked at once."""

import numpy as np
from numpy.random import Generator
from scipy.special import ndtr

from experiments import health
from firstlight.stats import multiplicity, sample_ratio
from firstlight.stats.finish import Design, finish
from tests.statistics import units
from tests.statistics.one_look import covers
from tests.statistics.promises import Promise, average, share, simulation

ALPHA = 0.05
SPLITS = {"50 : 50": (0.5, 0.5), "90 : 10": (0.9, 0.1), "50 : 30 : 20": (0.5, 0.3, 0.2)}


@simulation
def sample_ratios(rng: Generator) -> list[Promise]:
    found = []
    for name, weights in SPLITS.items():
        counts = rng.multinomial(10_000, weights, 20_000)
        p = np.array([sample_ratio.p_value(row, weights) for row in counts.tolist()])
        about = f"{name}, 10,000 units"
        found += [share(f"sample ratio, alarms at {a:g}", about, p < a, a) for a in (health.ALARM, ALPHA)]
    lost = rng.multinomial(20_000, [0.5 / 0.95, 0.45 / 0.95], 2_000)
    seen = [not health.sample_ratio(row, [0.5, 0.5]).passed for row in lost.tolist()]
    found.append(share("sample ratio, a lost tenth of one arm is seen", "20,000 units", seen, 1.0))
    return found


@simulation
def split_watched(rng: Generator) -> list[Promise]:
    """Daily for 30 days; a weak prior is the hardest, for it moves early."""
    found = []
    for name, weights in SPLITS.items():
        counts = rng.multinomial(300, weights, (2_000, 30)).cumsum(axis=1)
        for strength in (100.0, 10_000.0):
            least = [min(sample_ratio.sequential_p(look, weights, strength) for look in row) for row in counts.tolist()]
            setting = f"{name}, prior of {strength:,.0f} units, 30 looks"
            found.append(share("sample ratio watched, alarms at 0.05", setting, np.array(least) < ALPHA, ALPHA, "≤"))
    return found


@simulation
def corrections(rng: Generator) -> list[Promise]:
    """Ten goals, of which none, or seven, are true nulls; independent, or of three arms with one control."""
    nulls = rng.random((20_000, 10))
    mixed = nulls.copy()
    mixed[:, 7:] = 2 * ndtr(-np.abs(rng.standard_normal((20_000, 3)) + 3))
    any_of_ten = 1 - (1 - ALPHA / 10) ** 10  # of Holm's first step, when goals are independent
    adjusted = {name: _all(name, nulls) for name in ("holm", "hochberg", "hommel", "holm_sidak")}
    first = {"holm": any_of_ten, "holm_sidak": ALPHA}
    found = [
        share(f"{TOLD[name]}: any false alarm", "10 true nulls", (p < ALPHA).any(axis=1), first.get(name, ALPHA), side)
        for name, p in adjusted.items()
        for side in ("" if name in first else "≤",)
    ]
    for name in ("holm", "hommel"):
        wrong = (_all(name, mixed)[:, :7] < ALPHA).any(axis=1)
        found.append(share(f"{TOLD[name]}: any false alarm", "7 true nulls of 10", wrong, ALPHA, "≤"))
    bh, by = (_false_share(_all(name, mixed)) for name in ("benjamini_hochberg", "benjamini_yekutieli"))
    found.append(average("Benjamini-Hochberg: false share of alarms", "7 true nulls of 10", bh, ALPHA * 7 / 10))
    found.append(average("Benjamini-Yekutieli: false share of alarms", "7 true nulls of 10", by, ALPHA * 7 / 10, "≤"))
    return [*found, *_arms(rng)]


TOLD = {"holm": "Holm", "hochberg": "Hochberg", "hommel": "Hommel", "holm_sidak": "Holm-Šidák"}


def _all(name: str, p: units.Values) -> units.Values:
    correct = getattr(multiplicity, name)
    return np.array([correct(row) for row in p.tolist()])


def _false_share(p: units.Values) -> units.Values:
    alarms = p < ALPHA
    found: units.Values = alarms[:, :7].sum(axis=1) / np.maximum(alarms.sum(axis=1), 1)
    return found


def _arms(rng: Generator) -> list[Promise]:
    """Four treatments against one control: their differences go together."""
    runs, arms = 10_000, 4
    level = multiplicity.simultaneous(ALPHA, arms)
    control = units.drawn(units.skewed, rng, runs, 300)
    read = [
        finish("mean", control, units.drawn(units.skewed, rng, runs, 300, 0.1 * i), Design(1 - level)).raw
        for i in range(arms)
    ]
    base = float(np.exp(0.5))
    every = np.all([covers(one.fixed, base * 0.1 * i) for i, one in enumerate(read)], axis=0)
    same = [finish("mean", control, units.drawn(units.skewed, rng, runs, 300), Design()).raw.p for _ in range(arms)]
    alarm = (_all("holm", np.stack(same, axis=1)) < ALPHA).any(axis=1)
    return [
        share("Holm: any false alarm", "4 arms against one control", alarm, ALPHA, "≤"),
        share("simultaneous intervals: all cover", "4 arms against one control", every, 1 - ALPHA, "≥"),
    ]
