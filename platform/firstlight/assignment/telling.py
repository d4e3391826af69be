"""Which experiments can be told to SDKs that decide by themselves, and what they stand on. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from . import special, targeting
from .index import Published
from .portable import Condition, Unsayable, portable
from .rules import SHARED, Rule

TOLD = special.REQUIRABLE  # types


class Telling(NamedTuple):
    rules: Mapping[str, Rule]  # that can be said, in the order in which an answer meets them; the later one wins
    conditions: Mapping[str, Condition]  # of these and of those they require, without the scenario
    scenarios: frozenset[str]
    published: Published
    lists: bool
    holdouts: tuple[Rule, ...]  # of `rules`
    loose: Mapping[str, list[Rule]]  # by layer, experiments of it that `special` decides

    def here(self, rule: Rule) -> list[str]:
        return [one for one in rule.scenarios if one in self.scenarios]

    def meeting(self, rule: Rule, other: Rule) -> bool:
        return not set(self.here(rule)).isdisjoint(other.scenarios)


def telling(published: Published, scenarios: frozenset[str], *, lists: bool) -> Telling:
    """All of these scenarios that can be said; `lists` allows ids of testers and values of saved groups."""
    conditions = {key: said for key, rule in published.rules.items() if (said := _said(rule, lists=lists)) is not None}
    holdouts = tuple(rule for rule in published.rules.values() if rule.type == "holdout")
    rules = published.rules
    while lost := {key for key in conditions if not _stands(rules[key], rules, holdouts, conditions)}:
        conditions = {key: said for key, said in conditions.items() if key not in lost}
    seen = [published.rules[key] for key in conditions if not scenarios.isdisjoint(published.rules[key].scenarios)]
    needed = {rule.key for rule in seen} | {*special.required(seen, published.rules)}
    kept = {key: said for key, said in conditions.items() if key in needed}
    known = {rule.key: rule for rule in sorted(seen, key=_place)}
    here = tuple(one for one in holdouts if one.key in known)
    return Telling(known, kept, scenarios, published, lists, here, _loose(seen))


def _loose(rules: Iterable[Rule]) -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        for seed in special.layers(rule) if special.is_special(rule) else ():
            found.setdefault(seed, []).append(rule)
    return found


def _said(rule: Rule, *, lists: bool) -> Condition | None:
    """Its condition for any SDK; None where it, or what it takes part in, cannot be said."""
    if rule.type not in TOLD or rule.unit in SHARED or (targeting.named(rule.condition) and not lists):
        return None
    try:
        return portable(rule.condition)
    except Unsayable:
        return None


def _stands(rule: Rule, rules: Mapping[str, Rule], holdouts: Iterable[Rule], said: Mapping[str, Condition]) -> bool:
    """Whether all it depends on can be said, itself apart."""
    if rule.key in special.required([rule], rules):
        return False
    on = [one.experiment for one in rule.requires] + [one.key for one in holding(rule, holdouts)]
    return all(key in said for key in on if key in rules and rules[key].type in TOLD)


def _place(rule: Rule) -> tuple[int, str]:
    return {"holdout": 0, "shipped": 1}.get(rule.type, 2), rule.key


def holding(rule: Rule, holdouts: Iterable[Rule]) -> list[Rule]:
    """Those that keep units from it."""
    if rule.type == "holdout":
        return []
    scopes = {"", rule.scope} if rule.type == "shipped" else {""}
    return [one for one in holdouts if one.scope in scopes and not set(one.scenarios).isdisjoint(rule.scenarios)]
