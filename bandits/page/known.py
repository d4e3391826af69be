"""One stored posterior as its page sees it, of any kind of reward, and the words for that reward."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.models import Reward
from bandits.policies import beliefs
from bandits.policies.beliefs import Beliefs, Vector
from firstlight.console import words

Json = Mapping[str, Any]
Names = Mapping[str, str]  # titles of items by key
LABEL = 34  # characters


@dataclass(frozen=True, slots=True)
class Wording:
    """What a reward is called, and how much of it is written."""

    title: str  # of an axis: Click rate
    rewards: str  # Clicks
    currency: str = ""  # of money

    @classmethod
    def of(cls, reward: str, currency: str) -> "Wording":
        title, rewards = _CALLED[Reward(reward)]
        return cls(title, rewards, currency if reward == Reward.NET_VALUE else "")

    @property
    def is_money(self) -> bool:
        return self.rewards == _CALLED[Reward.NET_VALUE][1]

    def rate(self, value: float | None) -> str:
        """Per impression."""
        if value is not None and not np.isfinite(value):
            return words.BLANK
        if self.is_money and value is not None:
            return f"{words.number(value, 3)} {self.currency}".strip()
        return words.percent(value)

    def between(self, low: float, high: float) -> str:
        return f"{self.rate(float(low))} to {self.rate(float(high))}"


_CALLED = {
    Reward.CLICK: ("Click rate", "Clicks"),
    Reward.CART: ("Cart rate", "Carts"),
    Reward.ORDER: ("Order rate", "Orders"),
    Reward.NET_VALUE: ("Net value of an impression", "Impressions that earned"),
    Reward.WEIGHTED: ("Reward of an impression", "Reward"),
}


@dataclass(frozen=True, eq=False)
class Known:
    """Arrays in the order of `beliefs.items`."""

    at: datetime
    number: int
    segment: str
    beliefs: Beliefs
    trials: Vector  # impressions as they weigh: young ones and those in dim slots are part of one
    successes: Vector  # rewards likewise
    seen: Vector  # impressions, each as one
    shown: Vector  # of them those in slots of the campaign, since it began
    told: Json
    is_money: bool = False

    @property
    def items(self) -> tuple[str, ...]:
        return self.beliefs.items

    @cached_property
    def best(self) -> NDArray[np.intp]:
        """Places, best mean first."""
        return np.argsort(-self.beliefs.mean, kind="stable")

    @cached_property
    def place(self) -> dict[str, int]:
        return {item: i for i, item in enumerate(self.items)}

    @property
    def average(self) -> float | None:
        """Reward of all impressions; None before the first, and of money, whose sums are not kept."""
        tried = float(self.trials.sum())
        return float(self.successes.sum()) / tried if tried and not self.is_money else None


def taken(believed: Beliefs, places: Sequence[int]) -> Beliefs:
    """Of these items alone: an interval takes microseconds to milliseconds each."""
    chosen = np.asarray(places, np.intp)
    arrays = {name: array[chosen] for name, array in believed.arrays().items()}
    return beliefs.of(believed.kind, [believed.items[i] for i in places], arrays)


def called(item: str, names: Names) -> str:
    """Short enough to stand above a bar; with its key, which tells namesakes apart."""
    title, room = names.get(item, ""), max(LABEL - len(item), 0)
    if not title or title == item:
        return item
    return f"{title if len(title) <= room else f'{title[: max(room - 1, 0)]}…'} · {item}"
