"""What is published of experiments as one document, so that a client puts units into the same arms by itself. Pure.

JSON of the rules, saved groups and scenarios that a key may see; what is as by default is left out. Whoever reads it
must understand all of it: `decode` refuses a document that does not read back to its own bytes, which is how one that
says more than this release knows (a newer server) shows itself. Its name is the SHA-256 of its bytes.
"""

from collections.abc import Collection
from functools import cache
from hashlib import sha256
from typing import Any

import msgspec

from . import special, targeting
from .index import Published
from .rules import Arm, Rule


class Document(msgspec.Struct, frozen=True):
    scenarios: tuple[str, ...] = ()  # that there are
    rules: tuple[Rule, ...] = ()  # by key
    groups: dict[str, list[Any]] = {}

    def published(self) -> Published:
        return Published.of(self.rules, self.groups)


class Unreadable(ValueError):
    """No document, or one that means more than this release understands."""


def document(published: Published, scenarios: Collection[str]) -> Document:
    """What concerns these scenarios: their rules, what those require, and the groups they name; no word of others.

    Of an experiment of another scenario that is required it says who is in which arm, and no parameter.
    """
    here = frozenset(scenarios)
    seen = [rule for rule in published.rules.values() if not here.isdisjoint(rule.scenarios)]
    required = {key: _without_effect(rule) for key, rule in special.required(seen, published.rules).items()}
    kept = [rule for _, rule in sorted((required | {rule.key: _within(rule, here) for rule in seen}).items())]
    named = {name for rule in kept for name in targeting.named(rule.condition)}
    groups = {name: _listed(published.groups[name]) for name in sorted(named) if name in published.groups}
    return Document(tuple(sorted(here)), tuple(kept), groups)


def encode(told: Document) -> bytes:
    """The same document gives the same bytes."""
    return msgspec.json.encode(_plain(told))


def decode(body: bytes) -> Document:
    """Raises `Unreadable`."""
    try:
        told = msgspec.json.decode(body, type=Document)
        same = encode(told) == body
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"These are no rules: {error}") from error
    if not same:
        raise Unreadable("These rules say more than this release understands.")
    return told


def digest(body: bytes) -> str:
    return sha256(body).hexdigest()


def _within(rule: Rule, scenarios: frozenset[str]) -> Rule:
    return msgspec.structs.replace(rule, scenarios=tuple(one for one in rule.scenarios if one in scenarios))


def _without_effect(rule: Rule) -> Rule:
    return msgspec.structs.replace(rule, scenarios=(), arms=tuple(Arm(arm.key, arm.weight) for arm in rule.arms))


def _listed(group: Collection[Any]) -> list[Any]:
    """A set has no order of its own."""
    return sorted(group, key=msgspec.json.encode) if isinstance(group, set | frozenset) else list(group)


def _plain(value: Any) -> Any:
    """Structs as members that are not as by default. The order of what a condition compares is its meaning: kept."""
    if isinstance(value, msgspec.Struct):
        fields = ((name, getattr(value, name), default) for name, default in _defaults(type(value)))
        return {name: _plain(said) for name, said, default in fields if said != default}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


@cache
def _defaults(of: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (field.name, field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory())
        for field in msgspec.structs.fields(of)
    )
