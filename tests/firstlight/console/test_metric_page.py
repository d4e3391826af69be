from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from firstlight.metrics import versions
from firstlight.metrics.models import Metric
from tests import shop

pytestmark = pytest.mark.django_db


def address(key: str) -> str:
    return reverse("console:metric", args=[key])


def shown(client: Client, key: str, role: str = "analyst") -> str:
    client.force_login(shop.person(role))
    answer = client.get(address(key))
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_new_metric_says_what_it_is_and_what_to_do_next(client: Client) -> None:
    text = shown(client, "revisit_d1_d7")
    assert (
        "Share of units that came back with impressions, 1 day to 8 days after exposure, anywhere in the shop." in text
    )
    assert "Nobody answers for it yet" in text
    assert "name an owner" in text
    assert "No history yet" in text
    assert "No test that you may see measures by it." in text
    assert "Not certified" in text


def test_a_viewer_is_offered_nothing_to_change(client: Client) -> None:
    text = shown(client, "conversion", "viewer")
    assert "name an owner" not in text
    assert "</span>Definition</a>" not in text
    assert "</span>Definition</a>" in shown(client, "conversion", "product manager")


def test_owner_badge_and_every_version_are_told(client: Client) -> None:
    metric = Metric.objects.get(key="net_value_per_unit")
    metric.owner, metric.certified = shop.person("product manager"), True
    metric.window_hours, metric.cap_share, metric.currency = 168, None, "INR"
    metric.save()
    versions.keep(metric, by="ada", at=timezone.now(), note="a week is enough", may_certify=True)
    text = shown(client, metric.key)
    assert "product-manager answers for it." in text
    assert ">Certified<" in text
    for change in ("window hours: 504 → 168", "cap share: 0.999 → none", "currency: none → INR", "a week is enough"):
        assert change in text, change
    assert "as it was when versions began" in text
    assert "within 7 days of exposure" in text


@pytest.mark.parametrize("key", ["conversion", "click_rate", "carts_per_unit", "cart_rate"])
def test_history_per_scenario_is_what_its_measures_say(client: Client, key: str) -> None:
    shop.measures(shop.scenario())
    shown(client, key)
    lines = client.get(f"{address(key)}by-scenario.csv").content.decode().splitlines()
    by_hand = {"conversion": 2 / 100, "click_rate": 50 / 1000, "carts_per_unit": 5 / 100, "cart_rate": 5 / 50}[key]
    assert [float(line.split(",")[2]) for line in lines[1:]] == [by_hand] * 5


def test_measures_are_no_history_of_what_they_do_not_count(client: Client) -> None:
    shop.measures(shop.scenario())
    text = shown(client, "revisit_d1_d7")
    assert "chart-by-scenario" not in text


def test_every_standard_metric_has_a_page(client: Client) -> None:
    client.force_login(shop.person("viewer"))
    for metric in Metric.objects.all():
        text = client.get(address(metric.key)).content.decode()
        assert metric.name in text


def test_the_page_is_for_who_may_see_metrics(client: Client) -> None:
    client.force_login(shop.person("nobody"))
    assert client.get(address("conversion")).status_code == 403
    client.force_login(shop.person("viewer"))
    assert client.get(address("nothing")).status_code == 404


def test_hostile_names_stay_text(client: Client) -> None:
    metric: Any = shop.metric("shop-refunds", shop.HOSTILE, "mean", "refund")
    versions.keep(metric, by=shop.HOSTILE[:100], at=timezone.now(), note=shop.HOSTILE)
    assert "<img src=x" not in shown(client, "shop-refunds")
