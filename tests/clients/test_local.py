"""Arms decided in process: the very ones of the server, from rules that are whole, fresh, or the last good ones."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import section
from firstlight.assignment import published
from firstlight.assignment.hashing import BUCKETS, bucket
from firstlight.assignment.index import Published
from firstlight.assignment.rules import NO_WISHES, SHARED, Rule, Wishes
from firstlight.snapshots.sections import Request
from firstlight_client import Answer, Firstlight, FirstlightError, deciding, many
from firstlight_client.assignment import rules as assigning
from firstlight_client.exposed import Exposed
from firstlight_client.holding import Shelf, Unusable, renewed
from firstlight_client.questions import Local
from firstlight_client.transport import Reply
from tests.clients.configurations import SCENARIOS, attributes, configurations, ids, units, wishes
from tests.clients.pretend import Heard, Say, Shop, within
from tests.firstlight.assignment.test_assignment import rule

Make = Callable[..., Firstlight]
UNIT = {"user_id": "u-81"}
AT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
moments = st.integers(0, 10**6).map(lambda minutes: AT + timedelta(minutes=minutes))


def reply(rules: list[Rule], number: int = 812, scenarios: Any = SCENARIOS) -> Reply:
    body = published.encode(published.document(Published.of(rules), scenarios))
    headers = {"etag": f'"{published.digest(body)}"', "firstlight-snapshot": str(number)}
    return Reply(200, headers, body)


def serve(shop: Shop, rules: list[Rule], number: int = 812) -> Callable[[Heard], Say]:
    """As serving.publishing does."""
    told = reply(rules, number, ["home", "search"])

    def say(asked: Heard) -> Say:
        if asked.path != "/api/v1/rules":
            return shop.well(asked)
        known = told.headers["etag"] in asked.headers.get("if-none-match", "")
        return Say(304 if known else 200, told.body, dict(told.headers))

    shop.say = say
    return say


@settings(max_examples=120, deadline=None)
@given(
    configurations(),
    st.sets(st.sampled_from(SCENARIOS), min_size=1),
    st.lists(st.tuples(units, attributes, st.integers(0, 2), moments, wishes), min_size=1, max_size=20),
)
def test_a_decision_made_here_is_the_servers(rules: list[Rule], of_key: set[str], asked: list[Any]) -> None:
    """The server's own way from stored bytes to an answer, against what came to the client as a document.

    The key is for some scenarios only; what a unit has met before it brings along to both.
    """
    stored = {one.key: msgspec.msgpack.encode(one, order="sorted") for one in rules}
    state = section.gather({name: section.load(part) for name, part in stored.items()})
    held = renewed(None, reply(list(state.rules.values()), scenarios=of_key))
    brought: dict[str, Any] = {}
    for unit, said, number, at, wished in asked:
        scenario = sorted(of_key)[number % len(of_key)]
        own = Wishes(wished.forced, brought) if wished.forced or brought else NO_WISHES
        request = Request(unit=unit, scenario=scenario, trace_id="t", at=at, attributes=said, wishes=own)
        expected: dict[str, Any] = {}
        section.decide(state, request, expected)
        mine = assigning.Wishes(*own) if own is not NO_WISHES else assigning.NO_WISHES
        found = deciding.decide(held, Local(unit, scenario, "t", at, said, mine), age=0, reason="")
        told = msgspec.json.decode(msgspec.json.encode(found))
        for one in told["experiments"]:
            if not one["forced"]:
                del one["forced"]  # told of those alone
        said_there = {name: value for name, value in expected.items() if name[0] != "_"}
        assert {name: told[name] for name in said_there} == said_there
        assert (found.source, found.snapshot, found.unit, found.trace_id) == ("local", 812, unit, "t")
        brought = brought | found.sticky


def test_a_decision_made_here_is_told_once_an_hour_so_that_an_analysis_counts_it(shop: Shop, client: Make) -> None:
    serve(shop, [rule("a"), rule("b", type="holdout"), rule("c", scenarios=("search",))])
    here = client(local=True)
    assert here.wait_until_ready(5)
    answers = [here.assign(UNIT, "home", {"country": "IN"}) for _ in range(50)]
    here.assign(UNIT, "home", expose=False, trace_id="silent")
    here.assign({"user_id": "u-82"}, "home", expose=False)
    assert here.flush(5)
    first: Answer = answers[0]
    told = {event["experiment"]: event for event in shop.stored.values()}
    assert len(shop.stored) == len(told) == len(first.experiments) > 0
    for met in first.experiments:
        event = told[met.experiment]
        assert (event["type"], event["variant"], event["phase"]) == ("exposure", met.variant, met.phase)
        assert (event["unit"], event["scenario"], event["trace_id"]) == (UNIT, "home", first.trace_id)
        assert event["properties"] == {"country": "IN"}


@settings(max_examples=60, deadline=None)
@given(configurations(), st.lists(st.tuples(ids, attributes), max_size=15), st.booleans())
def test_many_at_once_are_what_each_is_by_itself(rules: list[Rule], asked: list[Any], vectorised: bool) -> None:
    """With NumPy and without."""
    held = renewed(None, reply(rules))
    names, given_attributes = [one for one, _ in asked], [said for _, said in asked]
    with pytest.MonkeyPatch.context() as patch:
        if not vectorised:
            patch.setitem(sys.modules, "firstlight_client.assignment.batch", None)
            patch.delattr("firstlight_client.assignment.batch", raising=False)
        for scenario, index in held.published.indexes.items():
            for one in [lookup.rule for lookup in index.known.values() if lookup.rule.type != "switchback"]:
                found = many.variants(held, one.key, scenario, names, given_attributes)
                for name, said, variant in zip(names, given_attributes, found, strict=True):
                    asked_alone = Local({one.unit: name}, scenario, "t", AT, said)
                    alone = deciding.decide(held, asked_alone, age=0, reason="")
                    shared = [told for told in alone.shared_experiments if told["experiment"] == one.key]
                    expected = _shown(shared, name) if one.unit in SHARED else alone.variant(one.key)
                    assert variant == expected, (one, name, said)


def _shown(told: list[dict[str, Any]], key: str) -> str | None:
    """As docs/api.md has it for whoever shows items or merchants; they are told of who the attributes let in."""
    for one in told:
        filters = [f["range"][0] <= bucket(f["seed"], key) / BUCKETS < f["range"][1] for f in one["filters"]]
        point = bucket(one["seed"], key) / BUCKETS
        if all(filters):
            return next((a["variant"] for a in one["arms"] if a["range"][0] <= point < a["range"][1]), None)
    return None


def test_many_units_are_told_in_a_moment(shop: Shop, client: Make) -> None:
    serve(shop, [rule("a"), rule("b", coverage=0.5)])
    here = client(local=True)
    assert here.wait_until_ready(5)
    ids = [f"u-{i}" for i in range(200_000)]
    found = here.variants("b", "home", ids)
    assert found[:500] == [here.assign({"user_id": one}, "home", expose=False).variant("b") for one in ids[:500]]
    with pytest.raises(FirstlightError, match="not published"):
        here.variants("c", "home", ids)
    with pytest.raises(FirstlightError, match="local=True"):
        client().variants("a", "home", ids)


def test_a_change_of_what_is_met_is_told_and_so_is_the_next_hour() -> None:
    held = renewed(None, reply([rule("a"), rule("b")]))
    exposed, sizes = Exposed(most=100), []
    for minute in (0, 1, 59, 60, 61):
        asked = Local(UNIT, "home", "t", AT + timedelta(minutes=minute))
        sizes.append(len(exposed.new(held, asked, deciding.decide(held, asked, age=0, reason=""))))
    assert sizes == [2, 0, 0, 2, 0]
    fewer = renewed(None, reply([rule("b")]))
    other = deciding.decide(fewer, asked, age=0, reason="")
    assert [met.experiment for met in exposed.new(held, asked, other)] == ["b"]
    for i in range(1_000):  # bounded: who met what long ago may be told again
        asked = Local({"user_id": f"v-{i}"}, "home", "t", AT + timedelta(hours=1))
        assert len(exposed.new(held, asked, deciding.decide(held, asked, age=0, reason=""))) == 2
        assert len(exposed._seen) <= 100


def test_what_was_forced_on_a_tester_is_no_exposure_and_what_was_met_is_brought_along(shop: Shop, client: Make) -> None:
    serve(shop, [rule("a", sticky=True), rule("b", forced={"u-81": "1"})])
    here = client(local=True)
    assert here.wait_until_ready(5)
    first = here.assign(UNIT, "home")
    assert [(met.experiment, met.forced) for met in first.experiments] == [("a", False), ("b", True)]
    other = "1" if first.variant("a") == "0" else "0"
    kept = {place: {**one, "assignments": {"a__1": other}} for place, one in first.sticky.items()}
    assert here.assign(UNIT, "home", sticky=kept).variant("a") == other
    assert here.assign(UNIT, "home", forced={"a": other}).variant("a") == other
    assert here.flush(5)
    told = [(event["experiment"], event["variant"]) for event in shop.stored.values()]
    assert sorted(told) == sorted([("a", first.variant("a")), ("a", other)])


def test_of_a_switchback_every_view_is_told(shop: Shop, client: Make) -> None:
    """What counts there is who came in which part of a window: a first view in its burn-in must not hide the next."""
    serve(shop, [rule("s", type="switchback", switch_hours=4)])
    here = client(local=True)
    assert here.wait_until_ready(5)
    for _ in range(5):
        here.assign(UNIT, "home")
    assert here.flush(5)
    assert len(shop.stored) == 5


def test_rules_are_renewed_and_the_number_follows_without_them(shop: Shop, client: Make) -> None:
    serve(shop, [rule("a")])
    here = client(local=True, refresh=0.05)
    assert here.wait_until_ready(5)
    assert [met.experiment for met in here.assign(UNIT, "home").experiments] == ["a"]
    serve(shop, [rule("a")], 813)
    assert within(3, lambda: here.assign(UNIT, "home").snapshot == 813)
    serve(shop, [rule("a"), rule("b")], 814)
    assert within(3, lambda: len(here.assign(UNIT, "home").experiments) == 2)
    answer = here.assign(UNIT, "home")
    assert (answer.snapshot, answer.reason) == (814, "")
    assert answer.age < 3


def test_of_a_server_that_is_gone_the_last_good_rules_stay_and_say_so(shop: Shop, client: Make) -> None:
    serve(shop, [rule("a")])
    here = client(local=True, refresh=0.05)
    assert here.wait_until_ready(5)
    good = here.assign(UNIT, "home")
    shop.close()
    assert within(3, lambda: here.assign(UNIT, "home").is_stale)
    time.sleep(0.3)
    stale = here.assign(UNIT, "home")
    assert stale.experiments == good.experiments
    assert stale.age > 0.2
    shop.open()
    assert within(5, lambda: not here.assign(UNIT, "home").is_stale)


WHOLE = reply([rule("a"), rule("b")], 9, ["home", "search"])
SPOILT = {
    "half": Say(body=WHOLE.body, headers=dict(WHOLE.headers), part=0.5),
    "a bit turned": Say(body=WHOLE.body.replace(b"0.5", b"0.6"), headers=dict(WHOLE.headers)),
    "no tag": Say(body=WHOLE.body),
    "no document": Say(body=b"[]", headers={"etag": published.digest(b"[]")}),
    "an error page": Say(body=b"<html>"),
    "a foreign 304": Say(404),
    "refused": Say(401, {"detail": "revoked"}),
}
UNKNOWN = WHOLE.body.replace(b'{"key":"a"', b'{"moon":"full","key":"a"')
SPOILT["newer than this client"] = Say(body=UNKNOWN, headers={"etag": published.digest(UNKNOWN)})
PATTERN = WHOLE.body.replace(b'"scenarios":["home"]}', b'"scenarios":["home"],"condition":{"x":{"$regex":"("}}}', 1)
SPOILT["a rule that cannot be made ready"] = Say(body=PATTERN, headers={"etag": published.digest(PATTERN)})


@pytest.mark.parametrize("kind", SPOILT)
def test_rules_that_are_not_whole_or_not_understood_change_nothing(shop: Shop, client: Make, kind: str) -> None:
    assert UNKNOWN != WHOLE.body != PATTERN
    serve(shop, [rule("a")])
    here = client(local=True, refresh=0.05)
    assert here.wait_until_ready(5)
    good = here.assign(UNIT, "home")
    shop.say = lambda asked: SPOILT[kind]
    assert within(3, lambda: here.assign(UNIT, "home").is_stale)
    assert here.assign(UNIT, "home").experiments == good.experiments
    assert here.assign(UNIT, "home").snapshot == good.snapshot


def test_a_process_that_starts_while_the_server_is_away_decides_by_what_is_on_disk(
    shop: Shop, client: Make, tmp_path: Path
) -> None:
    serve(shop, [rule("a")])
    first = client(tmp_path, local=True, refresh=0.05)
    assert first.wait_until_ready(5)
    good = first.assign(UNIT, "home")
    assert within(2, lambda: any(tmp_path.glob("rules-*")))
    first.close()
    shop.close()
    later = client(tmp_path, local=True)
    stale = later.assign(UNIT, "home")
    assert (stale.experiments, stale.snapshot, stale.source) == (good.experiments, 812, "local")
    assert stale.is_stale
    (kept,) = tmp_path.glob("rules-*")
    for spoilt in (kept.read_bytes()[:-1], kept.read_bytes().replace(b"0.5", b"0.6"), b"", b"\xff"):
        kept.write_bytes(spoilt)
        assert client(tmp_path, local=True).assign(UNIT, "home").source == "defaults"
    kept.unlink()
    kept.mkdir()
    assert client(tmp_path, local=True).assign(UNIT, "home").source == "defaults"


def test_rules_that_somebody_removes_from_disk_are_written_again(shop: Shop, client: Make, tmp_path: Path) -> None:
    serve(shop, [rule("a")])
    here = client(tmp_path, local=True, refresh=0.05)
    assert here.wait_until_ready(5)
    assert within(3, lambda: any(tmp_path.glob("rules-*")))
    (kept,) = tmp_path.glob("rules-*")
    assert kept.stat().st_mode & 0o077 == 0, "it names testers and members of groups"
    kept.unlink()
    assert within(3, kept.exists)


def test_rules_on_disk_are_whole_at_any_moment(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "rules")
    held = renewed(None, WHOLE)
    shelf.put(held)
    taken, age = shelf.take()
    assert (taken.tag, taken.snapshot, taken.body, taken.scenarios) == (held.tag, 9, held.body, held.scenarios)
    assert 0 <= age < 60
    assert [path.name for path in tmp_path.iterdir()] == ["rules"]
    with pytest.raises(Unusable):
        renewed(None, Reply(304, {}, b""))


def test_an_unknown_scenario_and_no_rules_yet_are_said(shop: Shop, client: Make) -> None:
    serve(shop, [rule("a")])
    here = client(local=True)
    assert here.wait_until_ready(5)
    unknown = here.assign(UNIT, "checkout")
    assert (unknown.source, unknown.parameters) == ("defaults", {})
    assert "checkout" in unknown.reason
    shop.close()
    nothing = client(local=True).assign(UNIT, "home")
    assert (nothing.source, nothing.experiments) == ("defaults", ())
    assert nothing.reason
    with pytest.raises(FirstlightError, match="local=True"):
        client().assign(UNIT, "home")


def test_a_question_that_goes_unanswered_is_decided_here_where_rules_are_held(shop: Shop, client: Make) -> None:
    serve(shop, [rule("a")])
    here = client(local=True, refresh=60)
    assert here.wait_until_ready(5)
    shop.say = lambda asked: shop.take(asked) if "events" in asked.path else Say(503)
    answer = here.allocate(UNIT, "home")
    assert (answer.source, answer.experiments) == ("local", here.assign(UNIT, "home").experiments)
    assert "503" in answer.reason
    assert here.flush(5)
    assert [event["trace_id"] for event in shop.stored.values()] == [answer.trace_id]


@pytest.mark.parametrize("odd", [{"user_id": 7}, {"user_id": None}, {"user_id": object()}, {7: "u"}])
def test_ids_of_no_use_break_no_page(shop: Shop, client: Make, odd: Any) -> None:
    serve(shop, [rule("a"), rule("b", condition={"country": {"$in": ["IN"]}})])
    here = client(local=True)
    assert here.wait_until_ready(5)
    assert here.assign(odd, "home", {"country": {1, 2}}).parameters == {}
    assert here.allocate(odd, "home", attributes={"country": object()}).parameters in ({}, {"ranker": "din"})
