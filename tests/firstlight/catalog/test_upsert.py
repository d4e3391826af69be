from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from firstlight.accounts.models import AuditEntry
from firstlight.catalog import section, upsert
from firstlight.catalog.models import Category, Item, Merchant, Scenario

pytestmark = pytest.mark.django_db


def refusals(rows, put=upsert.items):
    with pytest.raises(upsert.Refused) as refused:
        put(rows, "ada")
    return {place["pointer"]: place["detail"] for place in refused.value.places}


def test_new_items_bring_their_merchants_and_categories():
    row = {
        "key": "sku-1",
        "title": "Dress",
        "merchant": "m-1",
        "category": "dress",
        "price": "12.50",
        "currency": "INR",
    }
    assert upsert.items([row, {"key": "sku-2", "merchant": "m-1"}], "ada") == upsert.Upserted(2, 0, 0)
    item = Item.objects.select_related().get(key="sku-1")
    assert (item.title, item.merchant.key, item.category.key, item.price) == ("Dress", "m-1", "dress", Decimal("12.5"))
    assert Item.objects.get(key="sku-2").merchant == item.merchant
    assert (Merchant.objects.count(), Category.objects.count()) == (1, 1)


def test_what_a_row_leaves_out_stays():
    listed = datetime(2026, 1, 1, tzinfo=UTC)
    upsert.items([{"key": "a", "title": "A", "tags": ["new"], "merchant": "m", "listed_at": listed.isoformat()}], "ada")
    first = Item.objects.get()
    assert upsert.items([{"key": "a", "price": "3"}], "ada") == upsert.Upserted(0, 1, 0)
    item = Item.objects.get()
    assert (item.pk, item.title, item.tags, item.merchant.key) == (first.pk, "A", ["new"], "m")
    assert (item.listed_at, item.price) == (listed, Decimal(3))
    assert item.updated_at > first.updated_at


def test_a_time_with_a_wild_offset_is_kept_as_the_moment_it_is():
    upsert.items([{"key": "a", "listed_at": "2026-01-02T18:14:00+20:14"}], "ada")
    assert Item.objects.get().listed_at == datetime(2026, 1, 1, 22, tzinfo=UTC)


def test_a_link_can_be_taken_away():
    upsert.items([{"key": "a", "merchant": "m", "price": "1"}], "ada")
    upsert.items([{"key": "a", "merchant": None, "price": None}], "ada")
    item = Item.objects.get()
    assert (item.merchant, item.price) == (None, None)


def test_the_same_rows_again_change_and_record_nothing():
    rows = [{"key": "a", "price": "1.5", "tags": ["x"], "in_stock": False, "country": "IN"}]
    upsert.items(rows, "ada")
    assert upsert.items(rows, "ada") == upsert.Upserted(0, 0, 1)
    assert AuditEntry.objects.count() == 1


def test_one_entry_says_what_changed_from_what_to_what():
    upsert.items([{"key": "a", "price": "1"}, {"key": "b"}], "ada")
    upsert.items([{"key": "a", "price": "2"}, {"key": "b"}, {"key": "c", "title": "C"}], "grace")
    entry = AuditEntry.objects.first()
    assert (entry.actor, entry.action, entry.subject) == ("grace", "upserted", "2 items")
    assert entry.changes == {"a": [{"price": "1.0000"}, {"price": "2"}], "c": [None, {"title": "C"}]}


def test_one_bad_row_saves_none_and_every_fault_is_told():
    found = refusals(
        [
            {"key": "good"},
            {"key": "a", "price": "-1"},
            {"key": ""},
            {"title": "no key"},
            {"key": "b", "tags": ["ok", ""]},
            {"key": "good"},
            {"key": "c", "price": "NaN"},
            {"key": "d", "price": "1e15"},
            {"key": "e", "price": "1.00001"},
            {"key": "f", "listed_at": "2026-01-01T00:00:00"},
            {"key": "g", "colour": "red"},
            {"key": "h", "currency": "rupee"},
            "not a row",
            {"key": "i", "listed_at": "0001-01-01T00:00:00+14:00"},
        ]
    )
    assert set(found) == {
        "/1/price", "/2/key", "/3", "/4/tags/1", "/5/key", "/6/price", "/7/price", "/8/price", "/9/listed_at", "/10",
        "/11/currency", "/12", "/13/listed_at",
    }  # fmt: skip
    assert "row 0" in found["/5/key"]
    assert not Item.objects.exists()


def test_too_many_rows_are_refused():
    assert list(refusals([{"key": str(i)} for i in range(upsert.MOST + 1)])) == [""]


def test_the_most_that_is_allowed_goes_in():
    assert upsert.merchants([{"key": str(i)} for i in range(upsert.MOST)], "ada").created == upsert.MOST


def test_merchants_are_named():
    upsert.items([{"key": "a", "merchant": "m"}], "ada")
    assert upsert.merchants([{"key": "m", "name": "Mill"}, {"key": "n"}], "ada") == upsert.Upserted(1, 1, 0)
    assert Merchant.objects.get(key="m").name == "Mill"
    assert set(refusals([{"key": "m", "name": "x" * 201}], upsert.merchants)) == {"/0/name"}


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(upsert.ItemRow.__struct_fields__), json))
def test_any_row_is_read_or_refused_with_a_place(row):
    try:
        upsert._read([row], upsert.ItemRow)
    except upsert.Refused as refused:
        assert all(place["pointer"].startswith("/0") for place in refused.places)


def test_the_snapshot_holds_the_keys_of_the_scenarios():
    for key in ("home_feed", "search"):
        Scenario.objects.create(key=key, name=key)
    parts = section.compile(timezone.now())
    assert section.gather({name: section.load(part) for name, part in parts.items()}) == {"home_feed", "search"}
