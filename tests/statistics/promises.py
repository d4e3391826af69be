"""A promise of a method, and how it was kept over many simulated experiments."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal
from zlib import crc32

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

# A method that is careful by its nature (exact tests of counts, endless sequences) promises no more than a side.
Side = Literal["", "≤", "≥"]
MOST = 4  # standard errors; a share of many runs is further off once in 16,000 times
SIMULATIONS: dict[str, Callable[[Generator], list["Promise"]]] = {}


@dataclass(frozen=True, slots=True)
class Promise:
    method: str
    setting: str
    runs: int
    nominal: float
    found: float
    se: float  # of `found`, when the promise holds
    side: Side = ""

    @property
    def is_kept(self) -> bool:
        away = self.found - self.nominal
        return (self.side == "≤" or away >= -MOST * self.se) and (self.side == "≥" or away <= MOST * self.se)

    @property
    def row(self) -> str:
        """Of the table in the methods."""
        nominal, found, se = f"{self.side}{figure(self.nominal)}", figure(self.found), f"{self.se:.4f}"
        return f"| {self.method} | {self.setting} | {self.runs:,} | {nominal} | {found} | {se} |"


def figure(value: float) -> str:
    return f"{value:.4f}"


def share(method: str, setting: str, hits: Any, nominal: float, side: Side = "") -> Promise:
    """Of runs that hit: the error is that of a share which is the nominal one."""
    found = np.asarray(hits, dtype=float)
    n = len(found)
    return Promise(method, setting, n, nominal, float(found.mean()), sqrt(nominal * (1 - nominal) / n), side)


def average(method: str, setting: str, values: NDArray[np.float64], nominal: float, side: Side = "") -> Promise:
    """Of a number per run: the error is that of their mean."""
    n = len(values)
    return Promise(method, setting, n, nominal, float(values.mean()), float(values.std(ddof=1)) / sqrt(n), side)


def simulation(draw: Callable[[Generator], list[Promise]]) -> Callable[[Generator], list[Promise]]:
    SIMULATIONS[draw.__name__] = draw
    return draw


def kept(name: str) -> list[Promise]:
    """By a seed of its own, so that none hangs on which ran before."""
    return SIMULATIONS[name](np.random.default_rng(crc32(name.encode())))


def table(promises: Iterable[Promise]) -> str:
    head = "| method | setting | runs | promised | found | standard error |\n|---|---|---:|---:|---:|---:|"
    return "\n".join([head, *(one.row for one in promises)])
