from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.metrics import exchange, rates
from firstlight.metrics.models import Rate
from firstlight.metrics.rates import Rates

DAY = date(2026, 11, 10)
ROWS = [("INR", DAY, 0.012), ("INR", DAY - timedelta(days=4), 0.011), ("EUR", DAY, 1.25)]


def days(n: int) -> date:
    return DAY + timedelta(days=n)


def test_a_day_without_a_rate_takes_the_last_one_before_it() -> None:
    found = Rates.of("USD", ROWS)
    assert found.at("INR", days(-5), "USD") is None
    assert found.at("INR", days(-4), "USD") == found.at("INR", days(-1), "USD") == 0.011
    assert found.at("INR", DAY, "USD") == found.at("INR", days(90), "USD") == 0.012


def test_one_currency_is_worth_another_by_way_of_the_base() -> None:
    found = Rates.of("USD", ROWS)
    assert found.at("EUR", DAY, "INR") == pytest.approx(1.25 / 0.012)
    assert found.at("USD", DAY, "INR") == pytest.approx(1 / 0.012)
    assert found.at("EUR", days(-1), "INR") is None  # one of the two is not known yet
    assert found.at("GBP", DAY, "INR") is None
    assert found.at("GBP", DAY, "GBP") == 1


RATES = st.lists(
    st.tuples(st.sampled_from(["INR", "EUR", "BRL"]), st.integers(0, 30).map(days), st.floats(1e-3, 1e3)),
    unique_by=lambda row: row[:2],
)


@given(RATES, st.integers(0, 20), st.integers(0, 20), st.sampled_from(["USD", "INR", "GBP"]))
def test_the_table_has_a_row_wherever_a_rate_is_known_and_none_where_not(
    rows: list[tuple[str, date, float]], start: int, n: int, to: str
) -> None:
    found = Rates.of("USD", rows)
    table = found.table(to, days(start), days(start + n))
    kept = {(row["currency"], row["day"]): row["rate"] for row in table.to_pylist()}
    assert len(kept) == table.num_rows
    for currency in {"USD", "INR", "EUR", "BRL", to}:
        for day in (days(start + i) for i in range(n + 1)):
            assert kept.get((currency, day)) == _by_hand(rows, currency, day, to)


def _by_hand(rows: list[tuple[str, date, float]], currency: str, day: date, to: str) -> float | None:
    """The newest of all rates up to the day, looked for one by one."""
    if currency == to:
        return 1.0
    worth = []
    for one in (currency, to):
        known = [(at, rate) for name, at, rate in rows if name == one and at <= day]
        worth.append(1.0 if one == "USD" else max(known)[1] if known else None)
    return None if None in worth else worth[0] / worth[1]  # type: ignore[operator]


def test_no_rates_at_all_leave_only_the_currency_itself() -> None:
    table = Rates.of("USD", []).table("INR", DAY, DAY)
    assert table.to_pylist() == [{"currency": "INR", "day": DAY, "rate": 1.0}]


@pytest.mark.django_db
def test_what_was_entered_is_what_is_read() -> None:
    exchange.put(
        [{"currency": name, "day": day.isoformat(), "per_unit": str(worth)} for name, day, worth in ROWS], "ada"
    )
    assert rates.stored() == Rates.of("USD", ROWS)
    assert Rate.objects.count() == 3


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("head", ["", "currency,day,per_unit\n"])
def test_a_pasted_table_is_read_with_and_without_a_head(mark: str, head: str) -> None:
    text = f"{head}INR, 2026-11-01, 0.0118\n\nBRL,2026-11-01,0.1873\n".replace(",", mark)
    assert exchange.pasted(text) == [
        {"currency": "INR", "day": "2026-11-01", "per_unit": "0.0118"},
        {"currency": "BRL", "day": "2026-11-01", "per_unit": "0.1873"},
    ]


def test_a_head_may_put_the_columns_in_another_order() -> None:
    assert exchange.pasted("currency,per_unit,day\nINR,0.01,2026-11-01") == [
        {"currency": "INR", "per_unit": "0.01", "day": "2026-11-01"}
    ]


@pytest.mark.django_db
def test_a_short_row_says_what_it_lacks() -> None:
    with pytest.raises(exchange.Refused) as refused:
        exchange.put(exchange.pasted("INR,2026-11-01\nBRL"), "ada")
    assert [place["pointer"] for place in refused.value.places] == ["/0", "/1"]
    assert "per_unit" in refused.value.places[0]["detail"]
