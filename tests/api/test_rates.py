from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from firstlight.accounts.models import AuditEntry
from firstlight.metrics.models import Rate
from tests.api.conftest import pointers

ROWS: list[dict[str, Any]] = [
    {"currency": "INR", "day": "2026-11-01", "per_unit": "0.0118"},
    {"currency": "INR", "day": "2026-11-02", "per_unit": "0.012"},
    {"currency": "BRL", "day": "2026-11-01", "per_unit": 0.25},
]


def test_rates_go_in_and_out_and_putting_them_again_changes_nothing(api):
    assert api.send("put", "/rates/", ROWS).json() == {"created": 3, "changed": 0, "unchanged": 0}
    assert api.send("put", "/rates/", ROWS).json() == {"created": 0, "changed": 0, "unchanged": 3}
    change = [ROWS[0] | {"per_unit": "0.0119"}]
    assert api.send("put", "/rates/", change).json() == {"created": 0, "changed": 1, "unchanged": 0}
    found = api.get("/api/v1/rates/?currency=INR&from=2026-11-01&to=2026-11-01").json()
    assert found == {"results": [{"currency": "INR", "day": "2026-11-01", "per_unit": "0.011900000000"}], "next": None}
    assert Rate.objects.get(currency="BRL").per_unit == Decimal("0.25")
    newest = AuditEntry.objects.filter(kind="rates").order_by("-pk")[0]
    assert newest.changes == {"INR 2026-11-01": ["0.011800000000", "0.0119"]}


def test_rates_are_read_page_by_page(api):
    api.send("put", "/rates/", ROWS)
    seen, path = [], "/api/v1/rates/?limit=2"
    while path:
        page = api.get(path).json()
        seen += [(row["currency"], date.fromisoformat(row["day"]).day) for row in page["results"]]
        path = page["next"]
    assert seen == [("BRL", 1), ("INR", 1), ("INR", 2)]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"currency": "inr"}, "/1/currency"),
        ({"currency": "USD"}, "/1/currency"),  # the base
        ({"day": "yesterday"}, "/1/day"),
        ({"day": "2026-11-01"}, "/1/day"),  # twice
        ({"per_unit": 0}, "/1/per_unit"),
        ({"per_unit": "1e13"}, "/1/per_unit"),
        ({"per_unit": "NaN"}, "/1/per_unit"),
        ({"per_unit": "0.0000000000001"}, "/1/per_unit"),
        ({"source": "x"}, "/1"),
    ],
)
def test_a_fault_keeps_all_rates_out_and_is_told_at_its_place(api, change, place):
    assert pointers(api.send("put", "/rates/", [ROWS[0], ROWS[1] | change, ROWS[2]])) == {place}
    assert not Rate.objects.exists()


def test_rates_ask_for_their_scopes(client_with):
    reader, limited = client_with(["read"]), client_with(scenarios=["home_feed"])
    assert reader.send("put", "/rates/", ROWS).status_code == 403
    assert limited.send("put", "/rates/", ROWS).status_code == 403
    assert reader.get("/api/v1/rates/").status_code == 200
    assert pointers(reader.get("/api/v1/rates/?from=soon")) == {"from"}
    assert pointers(reader.send("get", "/rates/?limit=0")) == {"limit"}
