"""Every page of the admin, for every role, in an empty and in a full shop."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from firstlight.accounts.models import ApiKey, AuditEntry, Role, User
from firstlight.catalog.models import Scenario
from firstlight.console import navigation
from firstlight.lake.models import Batch
from firstlight.metrics.models import Metric
from firstlight.objectives.models import Weights
from firstlight.snapshots import lists
from firstlight.snapshots.models import Part, Version
from tests import shop

pytestmark = pytest.mark.django_db
ROLES = [*Role.values, "everything", "nobody"]
LISTS = [model for _, items in navigation.GROUPS for _, _, model in items]


@pytest.fixture(autouse=True)
def silent(settings: Any) -> None:
    settings.AFTER_CHANGE = "tests.firstlight.console.test_admin.nothing"


def nothing() -> None: ...


@pytest.fixture
def full() -> None:
    run, found = shop.experiment(name=shop.HOSTILE), shop.campaign(name=shop.HOSTILE)
    shop.look(run)
    shop.posteriors(found, title=shop.HOSTILE)
    shop.measures(shop.scenario())
    Scenario.objects.update(name=shop.HOSTILE)
    Metric.objects.filter(key="shop-refunds").update(name=shop.HOSTILE)
    Batch.objects.create(number=1, from_xact=1, to_xact=2, n_events=5, committed_at=timezone.now())
    named = lists.dealt({shop.HOSTILE: "00" * 32})
    Part.objects.bulk_create(Part(digest=digest, payload=payload) for digest, payload in named.items())
    Version.objects.create(created_at=timezone.now(), lists={"experiments": [*named]}, signature="00" * 32)
    ApiKey.objects.create(public_id="abc", name=shop.HOSTILE, secret_hash=b"0" * 32, scopes=["read"])
    AuditEntry.objects.create(
        actor=shop.HOSTILE, action="changed", kind="x", subject="y", changes={shop.HOSTILE: [1, shop.HOSTILE]}
    )


def addresses() -> list[str]:
    """First page, every list, every form to add, every row, every page of results."""
    found = ["/admin/", "/admin/console/scenarios/home_feed/"]
    found += ["/admin/console/traces/", "/admin/console/paths/home_feed/"]
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        found += [reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_add")]
        for row in model._default_manager.all()[:2]:
            found += [reverse(f"admin:{name}_{page}", args=[row.pk]) for page in ("change", "delete", "history")]
    return found


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("shop_is", ["empty", "full"])
def test_no_page_fails_for_any_role(client: Client, role: str, shop_is: str, request: pytest.FixtureRequest) -> None:
    if shop_is == "full":
        request.getfixturevalue("full")
    client.force_login(shop.person(role))
    for address in addresses():
        answer = client.get(address)
        assert answer.status_code in ((200, 302, 403) if shop_is == "full" else (200, 302, 403, 404)), address
        assert "<img src=x" not in answer.content.decode(), address


@pytest.mark.parametrize("role", Role.values)
def test_the_sidebar_leads_only_where_the_role_may_go(client: Client, role: str, full: None) -> None:
    client.force_login(shop.person(role))
    text = client.get("/admin/").content.decode()
    for model in LISTS:
        address = reverse(f"admin:{model.replace('.', '_')}_changelist")
        assert (f'href="{address}"' in text) == (client.get(address).status_code == 200), address


def test_an_empty_house_says_what_to_do_first(client: Client) -> None:
    client.force_login(shop.person("product manager"))
    text = client.get("/admin/").content.decode()
    assert f'href="{reverse("admin:catalog_scenario_add")}"' in text and "Create a scenario" in text
    assert "No experiment has been started yet." in text


def test_a_full_house_says_how_everything_stands(client: Client, full: None) -> None:
    client.force_login(shop.person("viewer"))
    text = client.get("/admin/").content.decode()
    assert "leads with" in text and "5 events" in text and "First steps" not in text
    ApiKey.objects.all().delete()
    text = client.get("/admin/").content.decode()
    assert "Make an API key" in text and reverse("admin:accounts_apikey_add") not in text  # a viewer may not


def test_who_has_no_role_is_told_so(client: Client) -> None:
    client.force_login(User.objects.create_user("new", is_staff=True))
    assert client.get("/admin/").status_code == 200


def test_a_scenario_page_tells_its_figures_and_splits_by_source(client: Client) -> None:
    place = shop.scenario()
    shop.measures(place)
    client.force_login(shop.person("viewer"))
    text = client.get("/admin/console/scenarios/home_feed/").content.decode()
    assert "4 % of 5,000 impressions were clicked from 1 November to 5 November 2026; 10 orders followed." in text
    assert "502.50 INR" in text
    split = client.get("/admin/console/scenarios/home_feed/", {"by": "recall_source"}).content.decode()
    assert '"i2i"' in split and '"hot"' in split
    csv = client.get("/admin/console/scenarios/home_feed/click-rate.csv", {"by": "recall_source"}).content.decode()
    assert {line.split(",")[1] for line in csv.splitlines()[1:]} == {"i2i", "hot"}
    assert {float(line.split(",")[2]) for line in csv.splitlines()[1:]} == {0.04}


@pytest.mark.parametrize("query", ["?grain=year", "?grain=hour", "?by=x", "?grain[]=1"])
def test_an_odd_question_to_a_scenario_is_answered(client: Client, query: str) -> None:
    shop.measures(shop.scenario())
    client.force_login(shop.person("viewer"))
    assert client.get(f"/admin/console/scenarios/home_feed/{query}").status_code == 200
    assert client.get(f"/admin/console/scenarios/none/{query}").status_code == 404


def test_the_charts_of_the_browser_are_served_by_ourselves_and_kept_for_ever(client: Client) -> None:
    client.force_login(shop.person("viewer"))
    shop.measures(shop.scenario())
    address = re.search(
        r'src="([^"]+vega[^"]+\.js)"', client.get("/admin/console/scenarios/home_feed/").content.decode()
    )
    assert address
    plain, packed = client.get(address[1]), client.get(address[1], headers={"accept-encoding": "gzip"})
    assert b"window.vegaEmbed" in plain.content and "immutable" in plain["Cache-Control"]
    assert packed["Content-Encoding"] == "gzip" and len(packed.content) < len(plain.content) / 2


def test_a_key_shows_its_secret_once_and_can_be_revoked(client: Client) -> None:
    client.force_login(shop.person("operator"))
    made = client.post(
        "/admin/accounts/apikey/add/", {"name": "feed", "scopes": ["allocate", "ingest"], "scenarios": ""}
    )
    key = ApiKey.objects.get()
    secret = re.search(rf"fl_{key.public_id}_[\w-]+", made.content.decode())
    assert secret and made.status_code == 200 and "no-store" in made["Cache-Control"]
    later = client.get(reverse("admin:accounts_apikey_change", args=[key.pk])).content.decode()
    assert secret[0] not in later and secret[0] not in str(list(AuditEntry.objects.values()))
    assert client.get(reverse("admin:accounts_apikey_revoke", args=[key.pk])).status_code == 200
    key.refresh_from_db()
    assert key.revoked_at is None
    assert client.post(reverse("admin:accounts_apikey_revoke", args=[key.pk])).status_code == 302
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert [e.action for e in AuditEntry.objects.filter(kind="API key")] == ["revoked", "created"]


def test_a_viewer_cannot_revoke_a_key(client: Client) -> None:
    key = ApiKey.objects.create(public_id="abc", name="x", secret_hash=b"0" * 32, scopes=["read"])
    client.force_login(shop.person("viewer"))
    assert client.post(reverse("admin:accounts_apikey_revoke", args=[key.pk])).status_code == 403


def test_weights_are_added_as_a_version_and_must_sum_to_one(client: Client) -> None:
    client.force_login(shop.person("product manager"))
    given = {"scenario": str(shop.scenario().pk), "stage": "", "user": "0.5", "merchant": "0.2", "platform": "0.2"}
    refused = client.post("/admin/objectives/weights/add/", given)
    assert refused.context["adminform"].form.errors["platform"] == ["The three weights sum to 0.9; they must sum to 1."]
    assert client.post("/admin/objectives/weights/add/", {**given, "platform": "0.3"}).status_code == 302
    row = Weights.objects.get()
    assert (row.version, row.created_by and row.created_by.username) == (1, "product-manager")
    page = reverse("admin:objectives_weights_change", args=[row.pk])
    assert client.post(page, {**given, "platform": "0.3"}).status_code == 403


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "ratio"}, "denominator_event"),
        ({"denominator_event": "impression"}, "denominator_event"),
        ({"numerator_event": "nothing"}, "numerator_event"),
        ({"numerator_filter": '[{"field": "postion", "op": "le", "value": 3}]'}, "numerator_filter"),
        ({"numerator_filter": "{"}, "numerator_filter"),
        ({"numerator_filter": '{"a": 1}'}, "numerator_filter"),
    ],
)
def test_a_metric_that_cannot_be_counted_is_refused_at_its_field(
    client: Client, changes: dict[str, str], field: str
) -> None:
    client.force_login(shop.person("analyst"))
    sound = {"name": "M", "key": "m", "kind": "mean", "numerator_event": "click", "numerator_value": "count"}
    sound |= {"denominator_value": "count", "direction": "increase", "objective": "user", "in_scenario": "on"}
    sound |= {"per": "unit", "delay_hours": "0", "maturity_hours": "0"}
    refused = client.post("/admin/metrics/metric/add/", {**sound, **changes})
    assert set(refused.context["adminform"].form.errors) == {field}
    assert client.post("/admin/metrics/metric/add/", sound).status_code == 302
    assert Metric.objects.get(key="m").numerator_filter == []


def test_the_password_of_a_person_is_nowhere_in_the_trail(client: Client) -> None:
    client.force_login(shop.person("everything"))
    given = {"username": "ada", "password1": "long enough for this", "password2": "long enough for this"}
    answer = client.post("/admin/accounts/user/add/", {**given, "usable_password": "true", "is_staff": "on"})
    assert answer.status_code == 302
    kept = User.objects.get(username="ada").password
    assert kept not in str(list(AuditEntry.objects.values()))
    again = {"password1": "another long one", "password2": "another long one", "usable_password": "true"}
    assert (
        client.post(f"/admin/accounts/user/{User.objects.get(username='ada').pk}/password/", again).status_code == 302
    )
    assert AuditEntry.objects.filter(action="password set", subject="ada").exists()


def test_the_trail_can_be_read_and_nothing_else(client: Client) -> None:
    entry = AuditEntry.objects.create(actor="a", action="changed", kind="x", subject="y", changes={"f": [None, "new"]})
    client.force_login(shop.person("everything"))
    page = reverse("admin:accounts_auditentry_change", args=[entry.pk])
    assert "nothing → new" in client.get(page).content.decode()
    assert client.post(page, {"actor": "b"}).status_code == 403
    assert client.post(reverse("admin:accounts_auditentry_delete", args=[entry.pk])).status_code == 403
