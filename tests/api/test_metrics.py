import pytest

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
