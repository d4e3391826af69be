import pytest

from firstlight.accounts.models import AuditEntry, User
from firstlight.metrics.definitions import Definition
from firstlight.metrics.models import Metric
from tests.api.conftest import pointers

CLICKS = {
    "key": "my-ctr",
    "name": "Click rate",
    "kind": "ratio",
    "numerator_event": "click",
    "denominator_event": "impression",
}


def test_a_metric_is_defined_and_changed(api):
    made = api.send("post", "/metrics/", CLICKS | {"numerator_filter": [{"field": "position", "op": "le", "value": 3}]})
    assert made.status_code == 201, made.content
    assert made.json()["direction"] == "increase"
    assert api.send("patch", "/metrics/my-ctr/", {"window_hours": 24}).json()["window_hours"] == 24
    assert Metric.objects.get(key="my-ctr").numerator_filter == [{"field": "position", "op": "le", "value": 3}]


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({"kind": "median"}, {"/kind"}),
        ({"numerator_event": "x."}, {"/numerator_event"}),
        ({"denominator_event": ""}, {"/denominator_event"}),
        ({"kind": "mean"}, {"/denominator_event"}),
        ({"window_hours": 0}, {"/window_hours"}),
        ({"window_hours": 10**12}, {"/window_hours"}),
        ({"numerator_filter": [{"field": "position", "op": "le", "value": "3"}]}, {"/numerator_filter/0/value"}),
        ({"numerator_filter": "all"}, {"/numerator_filter"}),
        ({"numerator_filter": [{"": 1, "field": "order_id", "op": "eq", "value": "x"}, {"a/b": 2}]},
         {"/numerator_filter/0/", "/numerator_filter/1/a/b"}
         | {f"/numerator_filter/1/{name}" for name in ("field", "op", "value")}),
        ({"numerator_filter": [{"field": "a"}, 3]},
         {"/numerator_filter/0/op", "/numerator_filter/0/value", "/numerator_filter/1"}),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_is_refused_at_its_place(api, change, places):
    assert pointers(api.send("post", "/metrics/", CLICKS | change)) == places
    assert not Metric.objects.filter(key="my-ctr").exists()


FUNNEL = {
    "key": "path",
    "name": "Path",
    "kind": "funnel",
    "steps": [{"event": "impression"}, {"event": "click", "filters": []}],
}


@pytest.mark.parametrize(
    "sound",
    [
        FUNNEL,
        FUNNEL | {"window_hours": 24, "maturity_hours": 2, "in_scenario": False},
        CLICKS | {"kind": "quantile", "denominator_event": "", "numerator_event": "order", "numerator_value": "value",
                  "quantile": 0.9, "per": "event", "currency": "INR"},
        CLICKS | {"kind": "retention", "denominator_event": "", "delay_hours": 24, "window_hours": 192},
        CLICKS | {"kind": "mean", "denominator_event": "", "numerator_value": "distinct", "numerator_field": "item_id",
                  "cap_share": 0.999},
        CLICKS | {"numerator_event": "order", "numerator_value": "net", "cap_value": 500, "maturity_hours": 48,
                  "window_hours": 24, "currency": "EUR"},
    ],
)  # fmt: skip
def test_every_kind_of_metric_goes_in_and_comes_out(api, sound):
    made = api.send("post", "/metrics/", sound)
    assert made.status_code == 201, made.content
    assert {name: made.json()[name] for name in sound} == sound
    assert api.get(f"/api/v1/metrics/{sound['key']}/").json() == made.json()
    definition = Definition.of(Metric.objects.get(key=sound["key"]))
    assert Definition.read(definition.key, 1, definition.stored()) == definition


@pytest.mark.parametrize(
    ("sent", "places"),
    [
        (FUNNEL | {"steps": [{"event": "impression"}]}, {"/steps"}),
        (FUNNEL | {"steps": "all"}, {"/steps"}),
        (FUNNEL | {"numerator_event": "click"}, {"/numerator_event"}),
        (FUNNEL | {"delay_hours": 3}, {"/delay_hours"}),
        (FUNNEL | {"steps": [{"event": "impression"}, {"event": "buy", "filters": [{"field": "position"}], "x": 1}, 4]},
         {"/steps/1/event", "/steps/1/filters/0/op", "/steps/1/filters/0/value", "/steps/1/x", "/steps/2"}),
        (CLICKS | {"steps": FUNNEL["steps"]}, {"/steps"}),
        (CLICKS | {"kind": "quantile", "denominator_event": ""}, {"/quantile"}),
        (CLICKS | {"quantile": 0.5}, {"/quantile"}),
        (CLICKS | {"per": "event"}, {"/per"}),
        (CLICKS | {"kind": "quantile", "denominator_event": "", "quantile": 1, "per": "event"}, {"/quantile", "/per"}),
        (CLICKS | {"kind": "retention", "denominator_event": ""}, {"/window_hours"}),
        (CLICKS | {"delay_hours": 24, "window_hours": 24}, {"/window_hours"}),
        (CLICKS | {"delay_hours": -1}, {"/delay_hours"}),
        (CLICKS | {"maturity_hours": 24}, {"/maturity_hours"}),
        (CLICKS | {"cap_value": 0}, {"/cap_value"}),
        (CLICKS | {"cap_value": 10, "cap_share": 0.99}, {"/cap_share"}),
        (CLICKS | {"cap_share": 0.1}, {"/cap_share"}),
        (CLICKS | {"kind": "proportion", "denominator_event": "", "cap_value": 1}, {"/cap_value"}),
        (CLICKS | {"kind": "proportion", "denominator_event": "", "numerator_value": "value"}, {"/numerator_value"}),
        (CLICKS | {"numerator_value": "net"}, {"/numerator_value"}),
        (CLICKS | {"numerator_value": "distinct"}, {"/numerator_field"}),
        (CLICKS | {"numerator_field": "item_id"}, {"/numerator_field"}),
        (CLICKS | {"denominator_value": "distinct", "denominator_field": "batch"}, {"/denominator_field"}),
        (CLICKS | {"currency": "EUR"}, {"/currency"}),
        (CLICKS | {"currency": "euro"}, {"/currency"}),
        (CLICKS | {"tags": ["t"] * 21}, {"/tags"}),
        (CLICKS | {"owner": "nobody"}, {"/owner"}),
        (CLICKS | {"note": "n" * 501}, {"/note"}),
        (CLICKS | {"certified": True}, {"/certified"}),
    ],
)  # fmt: skip
def test_each_fault_of_a_definition_is_told_at_its_place(api, sent, places):
    assert pointers(api.send("post", "/metrics/", sent)) == places
    assert not Metric.objects.filter(key=sent["key"]).exists()


def test_a_new_definition_is_a_new_version_and_the_old_one_stays(api):
    api.send("post", "/metrics/", CLICKS | {"note": "first thought"})
    assert api.send("patch", "/metrics/my-ctr/", {"name": "CTR", "tags": ["core"]}).json()["version"] == 1
    assert api.send("patch", "/metrics/my-ctr/", {"window_hours": 24, "note": "a day"}).json()["version"] == 2
    assert api.send("patch", "/metrics/my-ctr/", {"window_hours": 24}).json()["version"] == 2
    newest, first = api.get("/api/v1/metrics/my-ctr/versions/").json()["results"]
    assert [(one["number"], one["note"], one["definition"]["window_hours"]) for one in (first, newest)] == [
        (1, "first thought", None),
        (2, "a day", 24),
    ]
    assert newest["changed_by"].startswith("key ")
    (entry, *_) = AuditEntry.objects.filter(subject="my-ctr", changes__has_key="window_hours").order_by("-pk")
    assert entry.changes["version"] == [1, 2]


def test_only_who_may_certify_sets_the_badge_and_others_lose_it_with_a_new_definition(api, person):
    analyst, manager = person("analyst"), person("product manager")
    api.send("post", "/metrics/", CLICKS)
    assert pointers(manager.with_token("patch", "/metrics/my-ctr/", {"certified": True})) == {"/certified"}
    assert analyst.with_token("patch", "/metrics/my-ctr/", {"certified": True}).json()["certified"]
    assert analyst.with_token("patch", "/metrics/my-ctr/", {"window_hours": 24}).json()["certified"]
    assert manager.with_token("patch", "/metrics/my-ctr/", {"name": "CTR"}).json()["certified"]
    assert pointers(api.send("patch", "/metrics/my-ctr/", {"certified": False})) == {"/certified"}
    assert not manager.with_token("patch", "/metrics/my-ctr/", {"window_hours": 48}).json()["certified"]


def test_metrics_are_found_by_kind_owner_and_tag(api):
    User.objects.create_user("ada")
    api.send("post", "/metrics/", CLICKS | {"owner": "ada", "tags": ["core", "feed"]})
    for query in ("owner=ada", "tag=core", "tag=feed&kind=ratio"):
        found = api.get(f"/api/v1/metrics/?{query}").json()["results"]
        assert [one["key"] for one in found] == ["my-ctr"], query
    assert api.get("/api/v1/metrics/?tag=core&kind=mean").json()["results"] == []
