from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from firstlight.accounts.models import AuditEntry
from firstlight.metrics.models import Metric, MetricVersion, Rate
from tests import shop

pytestmark = pytest.mark.django_db
ADD = "/admin/metrics/metric/add/"
SOUND = {
    "name": "M",
    "key": "m",
    "kind": "mean",
    "numerator_event": "order",
    "numerator_value": "count",
    "denominator_value": "count",
    "direction": "increase",
    "objective": "user",
    "in_scenario": "on",
    "per": "unit",
    "delay_hours": "0",
    "maturity_hours": "0",
}
STEPS = '[{"event": "impression"}, {"event": "click"}]'


def change(metric: Metric) -> str:
    return reverse("admin:metrics_metric_change", args=[metric.pk])


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"kind": "funnel", "numerator_event": "", "steps": '[{"event": "click"}]'}, {"steps"}),
        ({"kind": "funnel", "steps": STEPS}, {"numerator_event"}),
        ({"steps": STEPS}, {"steps"}),
        ({"kind": "quantile"}, {"quantile"}),
        ({"kind": "quantile", "quantile": "0.9", "per": "event"}, {"per"}),
        ({"kind": "retention"}, {"window_hours"}),
        ({"window_hours": "24", "delay_hours": "30"}, {"window_hours"}),
        ({"maturity_hours": "24"}, {"maturity_hours"}),
        ({"cap_value": "5", "cap_share": "0.9"}, {"cap_share"}),
        ({"currency": "INR"}, {"currency"}),
        ({"currency": "rupee"}, {"currency"}),
        ({"numerator_value": "distinct"}, {"numerator_field"}),
    ],
)
def test_each_fault_stands_beside_its_field(client: Client, changes: dict[str, str], fields: set[str]) -> None:
    client.force_login(shop.person("analyst"))
    refused = client.post(ADD, SOUND | changes)
    assert refused.status_code == 200
    assert set(refused.context["adminform"].form.errors) == fields
    assert not Metric.objects.filter(key="m").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "funnel", "numerator_event": "", "steps": STEPS},
        {"kind": "quantile", "quantile": "0.9", "numerator_value": "value", "per": "event", "currency": "INR"},
        {"kind": "retention", "delay_hours": "24", "window_hours": "192"},
        {"numerator_value": "net", "cap_share": "0.999", "window_hours": "504", "maturity_hours": "24"},
        {"numerator_value": "distinct", "numerator_field": "merchant_id"},
    ],
)
def test_every_kind_of_metric_is_made_by_form(client: Client, changes: dict[str, str]) -> None:
    client.force_login(shop.person("analyst"))
    assert client.post(ADD, SOUND | changes).status_code == 302
    metric = Metric.objects.get(key="m")
    assert metric.kind == changes.get("kind", "mean")
    assert client.get(change(metric)).status_code == 200
    assert client.get(reverse("admin:metrics_metric_changelist")).status_code == 200


def test_a_new_definition_says_what_happens_to_what_runs(client: Client) -> None:
    client.force_login(shop.person("product manager"))
    client.post(ADD, SOUND | {"note": "first"})
    metric = Metric.objects.get(key="m")
    Metric.objects.filter(pk=metric.pk).update(certified=True)
    same = client.post(change(metric), SOUND | {"name": "Orders"}, follow=True)
    assert "This is version" not in same.content.decode()
    other = client.post(change(metric), SOUND | {"window_hours": "24", "note": "only a day"}, follow=True)
    text = other.content.decode()
    assert "This is version 2 of the definition" in text
    assert "keep the version they started with" in text
    assert "no longer certified" in text
    kept = MetricVersion.objects.filter(metric=metric).order_by("number").values_list("number", "note", "changed_by")
    assert list(kept) == [(1, "first", "product-manager"), (2, "only a day", "product-manager")]
    (entry, *_) = AuditEntry.objects.filter(subject="m").order_by("-pk")
    assert (entry.changes["version"], entry.changes["certified"]) == ([1, 2], [True, False])


@pytest.mark.parametrize(("role", "may"), [("analyst", True), ("product manager", False)])
def test_the_badge_is_given_by_who_may_certify(client: Client, role: str, may: bool) -> None:
    client.force_login(shop.person(role))
    client.post(ADD, SOUND | {"certified": "on"})
    assert Metric.objects.get(key="m").certified is may


def paste(client: Client, text: str) -> Any:
    return client.post(reverse("admin:metrics_rate_paste"), {"rows": text}, follow=True)


def test_rates_are_pasted_all_or_none(client: Client) -> None:
    client.force_login(shop.person("analyst"))
    assert client.get(reverse("admin:metrics_rate_paste")).status_code == 200
    wrong = paste(client, "INR,2026-11-01,0.0118\nBRL,soon,0.2\nUSD,2026-11-01,1").content.decode()
    assert "Row 2, day" in wrong
    assert "Row 3, currency: USD is the base currency" in wrong
    assert not Rate.objects.exists()
    assert (
        "2 added, 0 changed, 0 as they were."
        in paste(client, "INR,2026-11-01,0.0118\nBRL,2026-11-01,0.2").content.decode()
    )
    again = paste(client, "currency;day;per_unit\nINR;2026-11-01;0.0119\nBRL;2026-11-01;0.2").content.decode()
    assert "0 added, 1 changed, 1 as they were." in again
    assert AuditEntry.objects.filter(kind="rates").count() == 2


def test_a_viewer_reads_rates_and_pastes_none(client: Client) -> None:
    client.force_login(shop.person("viewer"))
    assert client.get(reverse("admin:metrics_rate_changelist")).status_code == 200
    assert client.get(reverse("admin:metrics_rate_paste")).status_code == 403


def test_the_base_currency_has_no_rate_of_its_own_in_the_form(client: Client) -> None:
    client.force_login(shop.person("analyst"))
    refused = client.post("/admin/metrics/rate/add/", {"currency": "USD", "day": "2026-11-01", "per_unit": "1"})
    assert set(refused.context["adminform"].form.errors) == {"currency"}
    assert (
        client.post(
            "/admin/metrics/rate/add/", {"currency": "INR", "day": "2026-11-01", "per_unit": "0.0118"}
        ).status_code
        == 302
    )
