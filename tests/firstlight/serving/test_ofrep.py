"""The protocol's words, and flags that are what /allocations answers, for any configuration and unit."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st

from firstlight.assignment import answers
from firstlight.assignment.index import Published
from firstlight.assignment.rules import Arm, Requirement, Rule
from firstlight.serving import allocations, announcing, decisions, limits, previews
from firstlight.serving.wire import Refusal
from firstlight.snapshots import memory
from firstlight.snapshots.memory import Held
from tests.clients import configurations
from tests.firstlight.assignment.test_assignment import rule
from tests.firstlight.serving.conftest import KEYS, Client

ALL = "/ofrep/v1/evaluate/flags"
REASONS = {"STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED", "UNKNOWN"}  # of the protocol's schema
RANKER = (Arm("control", 0.5, {"ranker": "din", "quota": 1}), Arm("deep", 0.5, {"ranker": "dien", "quota": 1.5}))
RULES = [
    rule("ranking", arms=RANKER),
    rule("copy", arms=(Arm("control", 0.5), Arm("short", 0.5, {"copy": {"title": "Hi"}})), coverage=0.0),
    rule("launch", arms=(Arm("on", 1.0, {"banner": True}),), ranges=((0.0, 1.0),), type="shipped"),
    rule("indian", arms=(Arm("on", 1.0, {"fast": 1}),), ranges=((0.0, 1.0),), condition={"country": "IN"}),
    rule("elsewhere", scenarios=("search",), arms=(Arm("on", 1.0, {"sort": "new"}),), ranges=((0.0, 1.0),)),
]
Hold = Callable[..., None]


@pytest.fixture
def hold(client: Client, monkeypatch: pytest.MonkeyPatch) -> Hold:
    monkeypatch.setattr(allocations, "deciders", lambda: (("experiments", answers.decide),))
    monkeypatch.setattr(decisions, "completers", lambda: ())

    def hold(rules: list[Rule], number: int = 7, scenarios: tuple[str, ...] = ("home", "search")) -> None:
        named = {one.key: str(hash(msgspec.msgpack.encode(one))) for one in rules}
        states = {"keys": {k.public_id: k for k in KEYS}, "scenarios": frozenset(scenarios)}
        held = Held(
            number, datetime.now(UTC), {"experiments": named}, {}, {**states, "experiments": Published.of(rules)}
        )
        monkeypatch.setattr(memory, "current", lambda: held)

    hold(RULES)
    return hold


def flag(client: Client, name: str, **context: Any) -> Any:
    got = client.post(f"{ALL}/{name}", {"context": {"targetingKey": "u-1", "scenario": "home", **context}})
    assert got.status == 200, got.body
    return got.json


def test_a_flag_tells_value_variant_reason_and_where_it_is_from(client: Client, hold: Hold) -> None:
    told = flag(client, "ranker")
    assert told["key"] == "ranker" and told["reason"] == "SPLIT"
    assert (told["variant"], told["value"]) in {("control", "din"), ("deep", "dien")}
    metadata = told["metadata"]
    assert {name: metadata[name] for name in ("experiment", "phase", "snapshot")} == {
        "experiment": "ranking",
        "phase": 1,
        "snapshot": 7,
    }
    assert all(isinstance(value, str | int | float) for value in metadata.values())  # flat: providers refuse others


def test_the_arm_of_every_experiment_is_a_flag(client: Client, hold: Hold) -> None:
    assert flag(client, "experiment.ranking")["value"] == flag(client, "ranker")["variant"]


@pytest.mark.parametrize(
    ("name", "context", "reason"),
    [
        ("banner", {}, "STATIC"),
        ("fast", {"country": "IN"}, "TARGETING_MATCH"),
        ("fast", {"country": "BR"}, "DISABLED"),
        ("copy", {}, "DISABLED"),
    ],
)
def test_reasons(client: Client, hold: Hold, name: str, context: dict[str, Any], reason: str) -> None:
    told = flag(client, name, **context)
    assert told["reason"] == reason
    assert ("value" in told) == (reason != "DISABLED")
    assert isinstance(told["variant"], str)


def test_an_arm_that_leaves_a_parameter_alone_is_told_without_a_value(client: Client, hold: Hold) -> None:
    arms = (Arm("control", 0.5), Arm("short", 0.5, {"copy": "Hi"}), Arm("none", 0.0, {"copy": None}))
    hold([rule("copy", arms=arms), rule("mixed", arms=arms, type="interleaving"), rule("goods", unit="item_id")])
    told = [flag(client, "copy", targetingKey=f"u-{i}") for i in range(20)]
    assert {(one["variant"], one["reason"], one.get("value")) for one in told} == {
        ("control", "SPLIT", None),
        ("short", "SPLIT", "Hi"),
    }
    assert all(one["metadata"]["experiment"] == "copy" for one in told)
    named = client.post(ALL, {"context": {"targetingKey": "u", "scenario": "home"}}).json["flags"]
    assert [one["key"] for one in named] == ["copy", "experiment.copy"]  # what gives a unit no one value is no flag


def test_a_share_of_the_units_is_a_split_also_with_one_arm(client: Client, hold: Hold) -> None:
    hold([rule("ramp", arms=(Arm("on", 1.0, {"x": True}),), coverage=0.5, ranges=((0.0, 0.5),))])
    told = [flag(client, "x", targetingKey=f"u-{i}") for i in range(40)]
    assert {(one["reason"], one.get("value")) for one in told} == {("SPLIT", True), ("DISABLED", None)}


def test_a_parameter_has_one_type_in_all_arms(client: Client, hold: Hold) -> None:
    got = [
        client.post(f"{ALL}/quota", {"context": {"targetingKey": f"u-{i}", "scenario": "home"}}).body for i in range(20)
    ]
    values = {body.partition(b'"value":')[2].partition(b",")[0] for body in got}
    assert values == {b"1.0", b"1.5"}


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/ranker", {"context": {"scenario": "home"}}, 400, "TARGETING_KEY_MISSING"),
        ("/ranker", {"context": {"targetingKey": "u"}}, 400, "INVALID_CONTEXT"),
        ("/ranker", {"context": {"targetingKey": "u", "scenario": "nowhere"}}, 400, "INVALID_CONTEXT"),
        ("/ranker", {"context": {"targetingKey": 5, "scenario": "home"}}, 400, "INVALID_CONTEXT"),
        ("/ranker", {"context": []}, 400, "PARSE_ERROR"),
        ("/ranker", b"{", 400, "PARSE_ERROR"),
        ("/nothing", {"context": {"targetingKey": "u", "scenario": "home"}}, 404, "FLAG_NOT_FOUND"),
        ("/sort", {"context": {"targetingKey": "u", "scenario": "home"}}, 404, "FLAG_NOT_FOUND"),
        ("", {"context": {"scenario": "home"}}, 400, "TARGETING_KEY_MISSING"),
        ("", b"[]", 400, "PARSE_ERROR"),
    ],
)
def test_faults_are_told_in_the_words_of_the_protocol(
    client: Client, hold: Hold, path: str, body: Any, status: int, code: str
) -> None:
    got = client.post(ALL + path, body)
    assert (got.status, got.json["errorCode"]) == (status, code)
    assert got.json["errorDetails"]
    assert got.json.get("key", "") == path[1:]


def test_the_scenario_need_not_be_named_where_there_is_one(client: Client, hold: Hold) -> None:
    client.key = "search"  # a key of one scenario
    assert client.post(f"{ALL}/sort", {"context": {"targetingKey": "u"}}).json["value"] == "new"
    assert client.post(ALL, {"context": {"targetingKey": "u", "scenario": "home"}}).status == 403


def test_a_key_may_come_in_either_header(client: Client, hold: Hold) -> None:
    body, secret = {"context": {"targetingKey": "u", "scenario": "home"}}, "fl_all_secret"
    client.key = None
    assert client.post(ALL, body, HTTP_X_API_KEY=secret).status == 200
    assert client.post(ALL, body, HTTP_X_API_KEY="fl_all_wrong").status == 401
    assert client.post(ALL, body).status == 401


def test_unchanged_flags_are_a_304_that_logs_nothing(client: Client, hold: Hold, stored: Any) -> None:
    body = {"context": {"targetingKey": "u", "scenario": "home", "country": "IN"}}
    first = client.post(ALL, body)
    assert (first.status, len(stored())) == (200, 1)
    again = client.post(ALL, body, HTTP_IF_NONE_MATCH=first.headers["ETag"])
    assert (again.status, again.body, len(stored())) == (304, b"", 1)
    hold(RULES, number=8)  # a new snapshot in which no experiment changed
    assert client.post(ALL, body, HTTP_IF_NONE_MATCH=first.headers["ETag"]).status == 304
    other = {"context": {**body["context"], "country": "BR"}}
    assert client.post(ALL, other, HTTP_IF_NONE_MATCH=first.headers["ETag"]).status == 200
    hold(RULES[:-1], number=9)
    assert client.post(ALL, body, HTTP_IF_NONE_MATCH=first.headers["ETag"]).status == 200


def test_answers_of_one_tag_are_the_same_bytes_and_the_trace_is_beside_them(client: Client, hold: Hold) -> None:
    body = {"context": {"targetingKey": "u", "scenario": "home"}}
    one, other = client.post(ALL, body), client.post(ALL, body)
    assert (one.headers["ETag"], one.body) == (other.headers["ETag"], other.body)
    assert one.headers["Firstlight-Trace"] != other.headers["Firstlight-Trace"]


def test_the_arms_of_a_preview_link_are_never_taken_for_unchanged(client: Client, hold: Hold) -> None:
    token = previews.sign({"ranking": "deep"}, datetime.now(UTC) + timedelta(minutes=5))
    body = {"context": {"targetingKey": "u", "scenario": "home", "forced": token}}
    first = client.post(ALL, body)
    (told,) = (one for one in first.json["flags"] if one["key"] == "ranker")
    assert (told["variant"], told["reason"]) == ("deep", "TARGETING_MATCH")
    assert client.post(ALL, body, HTTP_IF_NONE_MATCH=first.headers["ETag"]).status == 200


def test_the_stream_of_a_key_has_one_address_which_opens_nothing_else(
    client: Client, hold: Hold, settings: Any
) -> None:
    body = {"context": {"targetingKey": "u", "scenario": "home"}}
    assert "eventStreams" not in client.post(ALL, body).json
    settings.STREAMS_URL = "https://streams.example"
    (one,), (other,) = (client.post(ALL, body).json["eventStreams"] for _ in range(2))
    assert one == other
    assert (one["type"], one["inactivityDelaySec"]) == ("sse", 120)
    token = unquote(one["url"].removeprefix("https://streams.example/ofrep/v1/stream?token="))
    assert announcing.whose(token) == "all"
    assert announcing.whose(token[:-1]) is None
    client.key = None
    assert client.post(ALL, body, HTTP_AUTHORIZATION=f"Bearer {token}").status == 401


def test_who_a_stream_sends_here_waits_for_the_snapshot_it_was_told_of(
    client: Client, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = memory.current()
    hold(RULES, number=8)
    new, looks = memory.current(), iter([old, old, old])
    monkeypatch.setattr(memory, "current", lambda: next(looks, new))
    body = {"context": {"targetingKey": "u", "scenario": "home"}}
    assert client.post(ALL, body, QUERY_STRING="flagConfigEtag=%228%22").json["metadata"]["snapshot"] == 8
    monkeypatch.setattr(memory, "current", lambda: old)
    began = time.monotonic()
    told = client.post(ALL, body, QUERY_STRING=f"flagConfigEtag={10**15}").json  # which never comes
    assert (told["metadata"]["snapshot"], time.monotonic() - began < 2) == (7, True)
    assert client.post(ALL, body, QUERY_STRING="flagConfigEtag=none").status == 200


def test_who_says_log_false_is_not_logged(client: Client, hold: Hold, stored: Any) -> None:
    flag(client, "ranker", log=False)
    assert stored() == []
    flag(client, "ranker", log=True)
    assert len(stored()) == 1


@pytest.mark.parametrize(
    ("key", "environ", "status"),
    [
        ("nobody", {}, 401),
        ("reader", {}, 403),
        ("search", {}, 403),
        ("all", {"CONTENT_TYPE": "text/plain"}, 415),
        ("all", {"CONTENT_LENGTH": str(2**23)}, 413),
    ],
)
def test_every_refusal_says_why_in_the_words_of_the_protocol(
    client: Client, hold: Hold, key: str, environ: dict[str, str], status: int
) -> None:
    client.key = key
    for path in (ALL, f"{ALL}/ranker"):
        got = client.post(path, {"context": {"targetingKey": "u", "scenario": "home"}}, **environ)
        assert (got.status, got.json["errorCode"]) == (status, "GENERAL")
        assert got.json["errorDetails"]
        assert got.headers["Access-Control-Allow-Origin"] == "*"
    assert ("WWW-Authenticate" in got.headers) == (status == 401)


def test_a_key_past_its_rate_is_told_when_to_come_back(
    client: Client, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise Refusal(429, "Too often.", headers=(("Retry-After", "3"),))

    monkeypatch.setattr(limits, "admit", refuse)
    got = client.post(ALL, {"context": {"targetingKey": "u", "scenario": "home"}})
    assert (got.status, got.headers["Retry-After"], got.json["errorCode"]) == (429, "3", "GENERAL")


def test_a_page_of_another_origin_may_ask(client: Client, hold: Hold) -> None:
    client.key = None  # a preflight brings none
    for path in (ALL, f"{ALL}/ranker"):
        got = client.ask("OPTIONS", path)
        assert (got.status, got.headers["Access-Control-Allow-Origin"]) == (204, "*")
        assert {"Authorization", "If-None-Match"} <= set(got.headers["Access-Control-Allow-Headers"].split(", "))


def test_one_flag_exposes_to_the_experiment_that_sets_it_and_to_no_other(
    client: Client, hold: Hold, stored: Any
) -> None:
    told = flag(client, "ranker")
    (row,) = stored()
    assert [one["experiment"] for one in row["assignments"]] == ["ranking"]
    assert row["trace_id"] == told["metadata"]["trace_id"]
    flag(client, "experiment.launch", device_id="d-2", trace_id="t-9")
    row = stored()[-1]
    assert ([one["experiment"] for one in row["assignments"]], row["device_id"]) == (["launch"], "d-2")
    assert (row["trace_id"], row["discovery"]) == ("t-9", [])


def test_a_holdout_that_keeps_a_unit_out_is_exposed_with_the_flag(client: Client, hold: Hold, stored: Any) -> None:
    hold([*RULES, rule("all", arms=(Arm("held", 1.0),), ranges=((0.0, 1.0),), type="holdout")])
    assert flag(client, "ranker")["reason"] == "DISABLED"
    assert [one["experiment"] for one in stored()[0]["assignments"]] == ["all"]


def test_a_prerequisite_is_looked_at_without_being_an_exposure(client: Client, hold: Hold, stored: Any) -> None:
    after = rule("after", arms=(Arm("on", 1.0, {"x": 1}),), ranges=((0.0, 1.0),))
    hold([*RULES, msgspec.structs.replace(after, requires=(Requirement("launch", ("on",)),))])
    assert flag(client, "x")["value"] == 1
    assert [one["experiment"] for one in stored()[0]["assignments"]] == ["after"]


@tried(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    configurations.configurations(),
    configurations.units,
    configurations.attributes,
    st.sampled_from(configurations.SCENARIOS),
)
def test_flags_are_what_allocations_answers(
    client: Client,
    hold: Hold,
    rules: list[Rule],
    unit: dict[str, str],
    attributes: dict[str, Any],
    scenario: str,
) -> None:
    hold(rules, scenarios=configurations.SCENARIOS)
    asked = {"unit": unit, "scenario": scenario, "attributes": attributes, "trace_id": "t", "slots": 0}
    answer = client.post("/api/v1/allocations", asked)
    context = {**attributes, **unit, "scenario": scenario, "trace_id": "t"}
    told = client.post(ALL, {"context": context})
    assert (answer.status, told.status) == (200, 200)
    flags = {one["key"]: one for one in told.json["flags"]}
    assert {one["reason"] for one in flags.values()} <= REASONS
    given = {name: one["value"] for name, one in flags.items() if "value" in one}
    arms = {f"experiment.{one['experiment']}": one["variant"] for one in answer.json["experiments"]}
    set_to = {name: value for name, value in answer.json["parameters"].items() if value is not None}
    assert given == {**arms, **set_to}
    for name, value in given.items():  # and each by itself
        alone = client.post(f"{ALL}/{name}", {"context": context}).json
        assert (alone["value"], alone["variant"]) == (value, flags[name]["variant"])
