"""A campaign played through before it starts: a made-up shop with known rates, and the policy that would serve it.

Time goes in steps of some hours. In each, the posterior of then is drawn `ROWS` times and the requests are dealt over
those rankings; a user looks at slot k with probability kappa_k and, looking, rewards item i with its true rate
(position-based model: Craswell et al. 2008, WSDM). A reward is made at its impression and known after its delay. True
rates are drawn anew in every repetition and drift; every setting plays in the same worlds, so they differ by policy and
not by luck. Assumes that requests are independent and that one item does not change what another earns.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bandits.policies.beliefs import Beta
from bandits.policies.graduation import Record, Rule, decisions
from bandits.policies.policy import Policy, scores

Vector = NDArray[np.float64]
Counts = NDArray[np.int64]

ROWS = 64  # rankings a step: a step is one of hundreds, so the chance left in it is that of ROWS times as many


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """What the shop is like."""

    a: Vector  # Beta that the true reward rate of each item is drawn from
    b: Vector
    joins: Vector  # step in which each item enters the pool
    kappas: Vector  # (slots,): probability that a user looks there
    requests: Vector  # (steps,): expected
    arrived: Vector  # share of rewards known when so many steps more have passed; the last is 1
    step_hours: float
    drift: float  # standard deviation of the log of a rate's change over a day
    bar: float  # reward per looked-at impression of what the slots showed before

    @property
    def steps_a_day(self) -> int:
        return round(24 / self.step_hours)


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What is to be compared."""

    name: str
    policy: Policy
    prior_a: Vector | float  # Beta that is believed of each item at the start; one for all, or (items,)
    prior_b: Vector | float
    rule: Rule | None  # of graduation; None: items stay
    floor: float = 0.05
    delay_aware: bool = True
    position_aware: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """One repetition; arrays of shape (days,), cumulated, but for `left_at`, of shape (items,)."""

    impressions: Vector
    rewards: Vector
    at_bar: Vector  # what those impressions would have earned at the bar
    discovered: Vector  # items graduated whose true rate lay above the bar then
    graduated: Vector
    retired: Vector
    is_good: NDArray[np.bool_]  # (items,): whether the rate lay above the bar at the start
    shown: Counts  # (items,): impressions
    left_at: Vector  # days from joining to graduation; infinite: did not graduate
    n_known: int  # right decisions to retire
    n_good_lost: int  # good items retired


def play(world: World, setting: Setting, rng: Generator) -> Course:
    """One repetition. Worlds of equal seed are equal whatever the setting: each has a generator of its own."""
    luck, chance = rng.spawn(2)
    shop = _Shop(world, setting, luck, chance)
    days = [shop.day(steps) for steps in _days(world)]
    return shop.course(days)


def courses(
    world: World, setting: Setting, seeds: Sequence[int], progress: Callable[[], None] = lambda: None
) -> list[Course]:
    found = []
    for seed in seeds:
        found.append(play(world, setting, np.random.default_rng(seed)))
        progress()
    return found


def _days(world: World) -> Iterator[range]:
    for first in range(0, len(world.requests), world.steps_a_day):
        yield range(first, min(first + world.steps_a_day, len(world.requests)))


class _Shop:
    """What changes while a campaign is played."""

    def __init__(self, world: World, setting: Setting, luck: Generator, chance: Generator) -> None:
        n, ages = len(world.a), len(world.arrived)
        self.world, self.setting, self.luck, self.chance = world, setting, luck, chance
        self.rate = luck.beta(world.a, world.b)
        self.is_good = self.rate > world.bar
        self.requests = luck.poisson(world.requests)
        self.lags = np.diff(world.arrived, prepend=0.0)
        self.prior_a, self.prior_b = np.full(n, setting.prior_a), np.full(n, setting.prior_b)
        self.looked_at = np.zeros(n)  # looked-at impressions (or all of them) whose rewards are all known
        self.recent = np.zeros((ages, n))  # the others, by age in steps
        self.rewards = np.zeros(n)  # that are known
        self.coming = np.zeros((ages, n), np.int64)  # rewards by the steps until they are known
        self.shown = np.zeros(n, np.int64)
        self.joined = world.joins.astype(np.int64)
        self.open = np.ones(n, bool)
        self.left_at = np.full(n, np.inf)
        self.impressions = self.earned = self.at_bar = 0.0
        self.graduated = self.retired = self.discovered = self.n_known = self.n_good_lost = 0

    def day(self, steps: range) -> tuple[float, ...]:
        for step in steps:
            self._step(step)
        self._settle(steps.stop)
        self.rate = np.minimum(self.rate * np.exp(self.luck.normal(0, self.world.drift, len(self.rate))), 1.0)
        told = (self.impressions, self.earned, self.at_bar, self.discovered, self.graduated, self.retired)
        return tuple(float(number) for number in told)

    def course(self, days: Sequence[tuple[float, ...]]) -> Course:
        impressions, rewards, at_bar, *items = (np.array(column) for column in zip(*days, strict=True))
        discovered, graduated, retired = items
        known = (self.is_good, self.shown, self.left_at, self.n_known, self.n_good_lost)
        return Course(impressions, rewards, at_bar, discovered, graduated, retired, *known)

    def _step(self, step: int) -> None:
        inside = np.flatnonzero(self.open & (self.joined <= step))
        self._pass_time()
        if len(inside):
            counts = self._dealt(inside, int(self.requests[step]))
            self._answered(inside, counts)

    def _pass_time(self) -> None:
        """What was shown is a step older, and what was due by now is known."""
        self.looked_at += self.recent[-1]
        self.recent = np.roll(self.recent, 1, axis=0)
        self.recent[0] = 0.0
        self.rewards += self.coming[0]
        self.coming = np.roll(self.coming, -1, axis=0)
        self.coming[-1] = 0

    def _beliefs(self, inside: NDArray[np.intp]) -> Beta:
        # What was shown in this step has earned nothing yet; a step ago, what is known within a step.
        known = np.concatenate([[0.0], self.world.arrived[:-1]]) if self.setting.delay_aware else np.ones(1)
        trials = self.looked_at[inside] + (known[:, None] * self.recent[:, inside]).sum(axis=0)
        won = self.rewards[inside]
        names = tuple(map(str, inside.tolist()))
        return Beta(names, self.prior_a[inside], self.prior_b[inside]).after(trials, won)

    def _dealt(self, inside: NDArray[np.intp], n: int) -> Counts:
        """Impressions of each item inside in each slot, shape (items inside, slots), of `n` requests."""
        slots = min(len(self.world.kappas), len(inside))
        believed = self._beliefs(inside)
        rows = np.stack([_best(scores(self.setting.policy, believed, None, self.chance), slots) for _ in range(ROWS)])
        times = self.chance.multinomial(n, np.full(ROWS, 1 / ROWS))
        counts = np.zeros((len(inside), slots), np.int64)
        for slot in range(slots):
            np.add.at(counts[:, slot], rows[:, slot], times)
        return self._floored(counts, n)

    def _floored(self, counts: Counts, n: int) -> Counts:
        """A share of the requests gives one slot, each alike, to any item."""
        size, slots = counts.shape
        given = self.chance.multinomial(self.chance.binomial(n, self.setting.floor), np.full(slots, 1 / slots))
        for slot, many in enumerate(given.tolist()):
            counts[:, slot] -= self.chance.multivariate_hypergeometric(counts[:, slot], many, method="marginals")
            counts[:, slot] += self.chance.multinomial(many, np.full(size, 1 / size))
        return counts

    def _answered(self, inside: NDArray[np.intp], counts: Counts) -> None:
        kappas = self.world.kappas[: counts.shape[1]]
        won = self.chance.binomial(counts, np.minimum(np.outer(self.rate[inside], kappas), 1.0)).sum(axis=1)
        looked = counts @ kappas
        self.recent[0, inside] += looked if self.setting.position_aware else counts.sum(axis=1)
        self.coming[:, inside] += self.chance.multinomial(won, self.lags).T
        self.shown[inside] += counts.sum(axis=1)
        self.impressions += float(counts.sum())
        self.earned += float(won.sum())
        self.at_bar += float(looked.sum()) * self.world.bar

    def _settle(self, step: int) -> None:
        """Who leaves at the end of a day."""
        inside = np.flatnonzero(self.open & (self.joined < step))
        if self.setting.rule is None or not len(inside):
            return
        hours = np.asarray((step - self.joined[inside]) * self.world.step_hours, np.float64)
        record = Record.fresh(self.shown[inside].astype(float), hours)
        decided = decisions(self.setting.rule, self._beliefs(inside), self.world.bar, record)
        graduates, retires = decided.graduate, decided.retire
        good = self.rate[inside] > self.world.bar
        self.graduated += int(graduates.sum())
        self.discovered += int((graduates & good).sum())
        self.retired += int(retires.sum())
        self.n_known += int((retires & ~good).sum())
        self.n_good_lost += int((retires & good).sum())
        self.left_at[inside[graduates]] = hours[graduates] / 24
        self.open[inside[graduates | retires]] = False


def _best(score: Vector, slots: int) -> NDArray[np.intp]:
    if slots == len(score):
        return np.argsort(-score, kind="stable")
    best = np.argpartition(-score, slots - 1)[:slots]
    return best[np.argsort(-score[best], kind="stable")]
