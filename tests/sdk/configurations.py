"""Random experiments, and units that meet them: all that a payload can say, as the database would allow it."""

import json
import random
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from firstlight.assignment.rules import Arm, Filter, Requirement, Rule, layer_seed, ranges, seed

HERE = Path(__file__).parent
DRAWN = json.loads((HERE.parent / "firstlight/assignment/conditions.json").read_text())
GROUPED = json.loads((HERE.parent / "firstlight/assignment/conditions_with_groups.json").read_text())
GROUPS: dict[str, list[Any]] = GROUPED["groups"]
# Conditions over all operators, each with attributes near its edge.
CONDITIONS = [(condition, attributes) for condition, attributes, _ in (*DRAWN, *GROUPED["cases"])]
SCENARIOS = ("home", "search", "Страница")
UNITS = ("user_id", "device_id", "session_id")
PARAMETERS = ("ranker", "quota", "layout", "größe")
VALUES = ("din", "", 0, 7, 0.25, True, False, ["a", 1], {"deep": {"er": "x"}}, "日本")
LAYERS = ("one", "zwei🎉")
LETTERS = "abcXYZ019-_ üß漢😀"


def rules(rng: random.Random) -> list[Rule]:
    """Up to seven: holdouts, shipped ones and tests; shares of a layer exclude each other."""
    free = {layer: _shares(rng) for layer in LAYERS}
    made: list[Rule] = []
    for number in range(rng.randint(1, 7)):
        made.append(_rule(rng, f"{rng.choice('abc')}-{number}", free, made))
    return made


def _rule(rng: random.Random, key: str, free: dict[str, list[tuple[int, int]]], before: list[Rule]) -> Rule:
    kind = rng.choice(("ab", "ab", "ab", "ab", "aa", "holdout", "shipped"))
    n, phase = (2 if kind in ("holdout", "shipped") else rng.randint(2, 4)), rng.randint(1, 3)
    weights = _weights(rng, n)
    coverage = 1.0 if kind == "shipped" else rng.choice((0.0, 0.1, 0.5, 1.0, 1.0, rng.random()))
    layered = rng.sample(LAYERS, rng.choice((0, 1, 1, 2))) if kind in ("ab", "aa") else []
    shares = [Filter(layer_seed(name), *free[name].pop()) for name in layered if free[name]]
    arms = tuple(Arm(f"arm-{i}", weight, _parameters(rng)) for i, weight in enumerate(weights))
    is_test = kind in ("ab", "aa")
    return Rule(
        key=key,
        phase=phase,
        seed=seed(key, phase),
        unit=rng.choice(("user_id", "user_id", "user_id", *UNITS)),
        arms=arms,
        coverage=coverage,
        ranges=ranges(weights, coverage),
        scenarios=tuple(sorted(rng.sample(SCENARIOS, rng.randint(1, 3)))),
        layer=shares[0] if shares else None,
        further=tuple(shares[1:]),
        type=kind,
        condition=rng.choice(CONDITIONS)[0] if rng.random() < 0.4 else {},
        scope=rng.choice(("", layer_seed("one"))) if not is_test else "",
        pieces=_pieces(rng, weights, coverage) if is_test and rng.random() < 0.3 else (),
        forced={one: f"arm-{rng.randrange(n)}" for one in ids(rng, 3)} if is_test and rng.random() < 0.3 else {},
        requires=_requirements(rng, before) if is_test and rng.random() < 0.3 else (),
        fallback=rng.choice(("", "device_id")) if is_test else "",
        sticky=is_test and rng.random() < 0.2,
        since_phase=rng.randint(1, phase),
    )


def _weights(rng: random.Random, n: int) -> list[float]:
    drawn = [rng.choice((1.0, rng.random() + 0.05)) for _ in range(n)]
    return [one / sum(drawn) for one in drawn]


def _shares(rng: random.Random) -> list[tuple[int, int]]:
    edges = sorted({0, 10_000, *(rng.randint(0, 10_000) for _ in range(rng.randint(0, 3)))})
    return list(pairwise(edges))


def _parameters(rng: random.Random) -> dict[str, Any]:
    return {name: rng.choice(VALUES) for name in rng.sample(PARAMETERS, rng.randint(0, 3))}


def _pieces(rng: random.Random, weights: list[float], coverage: float) -> tuple[tuple[tuple[float, float], ...], ...]:
    """The stretches of `ranges`, cut in two, dealt anew; some arms may have none."""
    stretches = [half for a, b in ranges(weights, coverage) for half in ((a, (a + b) / 2), ((a + b) / 2, b))]
    owners = [rng.randrange(len(weights)) for _ in stretches]
    return tuple(
        tuple(one for one, owner in zip(stretches, owners, strict=True) if owner == i) for i in range(len(weights))
    )


def _requirements(rng: random.Random, before: list[Rule]) -> tuple[Requirement, ...]:
    """Of experiments made before, so that none requires itself; one in ten of one that is not published."""
    if not before or rng.random() < 0.1:
        return (Requirement("gone", ("arm-0",)),)
    some = rng.sample(before, min(len(before), rng.randint(1, 2)))
    return tuple(
        Requirement(one.key, tuple(rng.sample([arm.key for arm in one.arms], rng.randint(1, 2)))) for one in some
    )


def ids(rng: random.Random, n: int) -> list[str]:
    """Few enough that testers are met."""
    return [rng.choice((f"u-{rng.randrange(40)}", str(rng.randrange(40)), _text(rng))) for _ in range(n)]


def _text(rng: random.Random) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 12)))


def units(rng: random.Random, n: int, made: Iterable[Rule]) -> list[dict[str, Any]]:
    """Attributes as an SDK is given them: ids (some missing, some numbers), the scenario, what conditions ask."""
    asked = [one.condition for one in made if one.condition]
    near = [attributes for condition, attributes in CONDITIONS if condition in asked] or [{}]
    return [_unit(rng, near) for _ in range(n)]


def _unit(rng: random.Random, near: list[dict[str, Any]]) -> dict[str, Any]:
    attributes = dict(rng.choice(near if rng.random() < 0.7 else CONDITIONS[rng.randrange(len(CONDITIONS))][1:]))
    attributes["scenario"] = rng.choice((*SCENARIOS, "home", "elsewhere"))
    for name, share in (("user_id", 0.9), ("device_id", 0.6), ("session_id", 0.6)):
        attributes.pop(name, None)
        if rng.random() < share:
            attributes[name] = rng.choice(
                (ids(rng, 1)[0], _text(rng), f"u-{rng.getrandbits(40)}", rng.randint(1, 2**53))
            )
    return attributes
