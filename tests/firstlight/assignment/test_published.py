"""What is published reads back to the same rules, says nothing of other scenarios, and is refused unless understood."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.assignment import published
from firstlight.assignment.index import Published
from firstlight.assignment.rules import Rule
from tests.clients.configurations import SCENARIOS, configurations
from tests.firstlight.assignment.test_assignment import rule


@settings(max_examples=60, deadline=None)
@given(configurations(), st.sets(st.sampled_from(SCENARIOS)))
def test_what_is_told_reads_back_and_holds_the_scenarios_that_were_asked_for_alone(
    rules: list[Rule], scenarios: set[str]
) -> None:
    told = published.document(Published.of(rules), scenarios)
    assert published.decode(published.encode(told)) == told
    assert told.scenarios == tuple(sorted(scenarios))
    assert {one for rule in told.rules for one in rule.scenarios} <= scenarios
    expected = [one for one in rules if not scenarios.isdisjoint(one.scenarios)]
    assert [_nowhere(one) for one in told.rules if one.scenarios] == sorted(map(_nowhere, expected), key=_key)
    required = {one.experiment for rule in told.rules for one in rule.requires} - {one.key for one in expected}
    foreign = [one for one in told.rules if not one.scenarios]
    assert {one.key for one in foreign} == required & {one.key for one in rules}
    assert not any(arm.parameters for one in foreign for arm in one.arms)


def _nowhere(one: Rule) -> Rule:
    return msgspec.structs.replace(one, scenarios=())


def _key(one: Rule) -> str:
    return one.key


def test_groups_go_along_where_a_rule_names_them() -> None:
    condition = {"$or": [{"user_id": {"$inGroup": "testers"}}, {"$not": {"user_id": {"$notInGroup": "staff"}}}]}
    groups = {"testers": ["u-1"], "staff": frozenset({"u-3", "u-2", 7}), "secret": ["u-9"]}
    told = published.document(Published(({"e": rule("e", condition=condition)}), groups, {}), ["home"])
    assert told.groups == {"staff": ["u-2", "u-3", 7], "testers": ["u-1"]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"rules":[{"key":"e"}]}',
        b"[" * 100_000,
        b'{"rules":[],"scenarios":["home"]}',  # not as `encode` writes it
        b'{"scenarios":["home"],"moods":["good"]}',
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(published.Unreadable):
        published.decode(body)


@pytest.mark.parametrize("place", ["rule", "arm"])
def test_a_rule_that_says_more_than_is_understood_is_refused(place: str) -> None:
    """A newer server may say by a new member who sees what: to ignore it would be another arm."""
    plain = msgspec.json.decode(published.encode(published.document(Published.of([rule()]), ["home"])))
    published.decode(msgspec.json.encode(plain))
    (plain["rules"][0] if place == "rule" else plain["rules"][0]["arms"][1])["moon"] = "full"
    with pytest.raises(published.Unreadable, match="more than this release"):
        published.decode(msgspec.json.encode(plain))


def test_a_member_that_is_as_by_default_is_not_told_so_that_older_clients_go_on() -> None:
    (told,) = msgspec.json.decode(published.encode(published.document(Published.of([rule()]), ["home"])))["rules"]
    assert not {"layer", "condition", "further", "switch_hours"} & told.keys()
    assert {"key", "ranges", "arms", "coverage"} <= told.keys()
