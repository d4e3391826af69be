"""What is published, as feature flags: every parameter is one, and `experiment.<key>` tells the arm. Pure.

A flag has one type, whatever arm a unit meets: a parameter that any arm sets to a number with a fraction is sent with
one by all (1.0), for typed clients refuse 1 where they expect a float.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .index import Published
from .rules import SHARED, Arm, Rule

Json = dict[str, Any]


class Found(NamedTuple):
    """What decided a flag."""

    value: Any  # None: the arm leaves it to the caller's own default, as other arms of the experiment do not
    rule: Rule
    arm: Arm
    is_forced: bool


@dataclass(frozen=True, slots=True)
class Flags:
    """Of one scenario."""

    is_float: Mapping[str, bool]  # by name
    turns: bool  # some of it changes with the hour, whoever asks

    @classmethod
    def of(cls, state: Published, scenario: str) -> "Flags":
        rules = [rule for rule in state.rules.values() if scenario in rule.scenarios and _gives_arms(rule)]
        values = [(name, value) for rule in rules for name, value in _values(rule)]
        names = sorted({name for rule in rules for name in rule.sets})
        fractions = {name for name, value in values if isinstance(value, float)}
        return cls({name: name in fractions for name in names}, any(rule.type == "switchback" for rule in rules))

    def told(self, name: str, found: Found | None, metadata: Mapping[str, Any]) -> Json:
        """As the protocol has it; without a value the caller's own default holds."""
        if found is None:
            return {"key": name, "reason": "DISABLED", "variant": "", "metadata": {**metadata}}
        value, rule, arm, is_forced = found
        typed = float(value) if self.is_float[name] and type(value) is int else value
        said = {} if value is None else {"value": typed}
        told = {"experiment": rule.key, "phase": rule.phase, **metadata}
        return {
            "key": name,
            **said,
            "reason": reason_of(rule, is_forced=is_forced),
            "variant": arm.key,
            "metadata": told,
        }


def evaluated(state: Published, answer: Mapping[str, Any]) -> dict[str, Found]:
    """By flag, from an answer's `experiments`; where two set a parameter the later one has it, as in `parameters`."""
    found: dict[str, Found] = {}
    silent: dict[str, Found] = {}
    for met in answer["experiments"]:
        if rule := state.rules.get(met["experiment"]):
            arm = next(arm for arm in rule.arms if arm.key == met["variant"])
            is_forced = met.get("forced", False)
            silent |= {name: Found(None, rule, arm, is_forced) for name in rule.sets - arm.parameters.keys()}
            for name, value in ((rule.flag, arm.key), *arm.parameters.items()):
                found[name] = Found(value, rule, arm, is_forced)
    return silent | found


def reason_of(rule: Rule, *, is_forced: bool) -> str:
    """Of the protocol's words."""
    if is_forced:
        return "TARGETING_MATCH"
    if sum(arm.weight > 0 for arm in rule.arms) > 1 or rule.coverage < 1 or rule.layer:  # a share of the units
        return "SPLIT"
    return "TARGETING_MATCH" if rule.condition else "STATIC"


def _gives_arms(rule: Rule) -> bool:
    """What deals items or merchants, or shows both rankers at once, has no one value for a unit."""
    return rule.type != "interleaving" and rule.unit not in SHARED


def _values(rule: Rule) -> Iterator[tuple[str, Any]]:
    for arm in rule.arms:
        yield from arm.parameters.items()
