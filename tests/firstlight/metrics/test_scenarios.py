"""What happened in each scenario, against plain loops and told stories."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import ibis
import numpy as np
import pytest

from firstlight.metrics.scenarios import COUNTS, measure
from tests.firstlight.metrics import reference

DAY = date(2026, 11, 12)
NOON = datetime(2026, 11, 12, 12)
HOUR = timedelta(hours=1)


def event(kind: str, unit: str | None = "u", *, after: float = 0.0, **more: Any) -> dict[str, Any]:
    """`after`: hours after noon of the day."""
    return {"type": kind, "user_id": unit, "at": NOON + after * HOUR, **more}


def at_home(kind: str, unit: str | None = "u", **more: Any) -> dict[str, Any]:
    return event(kind, unit, **{"scenario": "home", "item_id": "sku", **more})


def sale(kind: str, value: str, **more: Any) -> dict[str, Any]:
    return event(kind, **{"value": Decimal(value), "currency": "INR", "order_id": "o-1", **more})


def cells(*rows: dict[str, Any], day: date = DAY) -> dict[tuple[str, str, str, int], dict[str, Any]]:
    """(scenario, grain, recall source, hour) -> its measures."""
    found = measure(ibis.memtable(reference.table(rows)), day)
    return {(c["scenario"], c["grain"], c["recall_source"], c["starts_at"].hour): c for c in found}


def of_day(*rows: dict[str, Any], scenario: str = "home", source: str = "") -> dict[str, Any]:
    return cells(*rows)[scenario, "day", source, 0]


def test_an_impression_is_clicked_once_however_often_it_is_clicked() -> None:
    found = of_day(*[at_home("impression")] * 2, *[at_home("click", after=0.1)] * 3, at_home("impression", item_id="b"))
    assert (found["impressions"], found["clicks"], found["clicked_impressions"]) == (3, 3, 2)


def test_a_click_belongs_to_its_own_view() -> None:
    found = of_day(
        at_home("impression", trace_id="t1"), at_home("impression", trace_id="t2"), at_home("click", trace_id="t2")
    )
    assert found["clicked_impressions"] == 1


@pytest.mark.parametrize(
    ("click", "clicked"),
    [
        ({"after": 35.9}, 1),  # to the end of the next day
        ({"after": 36.0}, 0),
        ({"after": -0.1}, 0),
        ({"scenario": "search"}, 0),
        ({"item_id": "other"}, 0),
        ({"unit": "v"}, 0),
    ],
)
def test_a_click_on_something_else_or_at_another_time_is_none_of_the_impression(
    click: dict[str, Any], clicked: int
) -> None:
    assert of_day(at_home("impression"), at_home("click", **click))["clicked_impressions"] == clicked


@pytest.mark.parametrize(
    ("clicks", "scenario", "source"),
    [
        ([(-1.0, "home", "i2i"), (-2.0, "search", "hot")], "home", "i2i"),  # the last one
        ([(-1.0, "home", None), (-2.0, "search", "hot")], "home", ""),
        ([(-23.9, "search", "hot")], "search", "hot"),
        ([(-24.0, "search", "hot")], None, ""),  # too long ago
        ([(0.1, "search", "hot")], None, ""),  # after it
        ([], None, ""),
    ],
)
def test_an_order_belongs_to_the_last_click_of_the_day_before_it(
    clicks: list[tuple[float, str, str | None]], scenario: str | None, source: str
) -> None:
    rows = [at_home("click", after=h, scenario=where, recall_source=by) for h, where, by in clicks]
    found = cells(*rows, at_home("impression", scenario="elsewhere"), sale("order", "9.5"))
    ordered = {(s, by) for (s, grain, by, _), cell in found.items() if grain == "day" and cell["orders"]}
    assert ordered == ({(scenario, ""), (scenario, source)} if scenario else set())


def test_an_order_that_names_its_scenario_keeps_it() -> None:
    found = cells(at_home("click", after=-1, recall_source="i2i"), sale("order", "9.5", scenario="cart"))
    assert found["cart", "day", "", 0]["gross"] == {"INR": "9.5000"}
    assert found["home", "day", "", 0]["orders"] == 0
    assert ("cart", "day", "i2i", 0) not in found  # the click was in another scenario


def test_refunds_follow_their_order_and_lower_the_net_of_their_own_day() -> None:
    clicked, ordered = at_home("click", after=-49, recall_source="i2i"), sale("order", "10.25", after=-48)
    returned = sale("refund", "4.25", unit=None), sale("cancel", "1", order_id="o-1", after=1)
    for source in ("", "i2i"):
        found = of_day(clicked, ordered, *returned, source=source)
        assert (found["gross"], found["net"]) == ({"INR": "0"}, {"INR": "-5.2500"})
        assert (found["orders"], found["units"], found["buyers"]) == (0, 0, 0)


def test_currencies_are_never_added() -> None:
    rows = [sale("order", "1.10", scenario="home", order_id=c, currency=c) for c in ("INR", "EUR", "INR")]
    found = of_day(*rows)
    assert found["gross"] == {"INR": "2.2000", "EUR": "1.1000"}
    assert found["orders"] == 2  # two lines of one order are one order


def test_a_cent_is_kept_among_millions() -> None:
    rows = [sale("order", "99999999999999.99", scenario="home", order_id=str(i)) for i in range(50)]
    assert of_day(*rows, sale("order", "0.01", scenario="home"))["gross"] == {"INR": "4999999999999999.5100"}


@pytest.mark.parametrize(
    ("before", "by_hour", "by_day"),
    [
        (-1.0, 1, 0),  # earlier today
        (-0.0, 0, 0),  # in the same hour
        (-13.0, 1, 1),
        (-24 * 7.0, 1, 1),
        (-24 * 7.0 - 1, 0, 1),  # seven days before the hour, but not before the day
        (-24 * 8.0, 0, 0),
    ],
)
def test_a_unit_returns_when_it_was_there_in_the_seven_days_before_the_window(
    before: float, by_hour: int, by_day: int
) -> None:
    found = cells(
        at_home("visit"), at_home("visit", after=before), at_home("visit", "v"), at_home("visit", after=-200.0)
    )
    assert found["home", "hour", "", 12]["returning_units"] == by_hour
    assert found["home", "day", "", 0]["returning_units"] == by_day


def test_a_return_is_to_the_same_scenario() -> None:
    assert of_day(at_home("visit"), at_home("visit", after=-30, scenario="search"))["returning_units"] == 0


def test_decisions_and_refunds_show_nobody() -> None:
    rows = [at_home("decision"), sale("refund", "1", scenario="home"), at_home("visit", "v"), at_home("visit", None)]
    assert of_day(*rows)["units"] == 1


def test_a_device_is_a_unit_where_no_user_is_known() -> None:
    assert of_day(at_home("visit", None, device_id="d"), at_home("visit", None, session_id="s"))["units"] == 2


def synthetic(seed: int, n: int = 3_000) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)

    def some(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    rows = []
    for i in range(n):
        kind = some(
            "visit", "impression", "impression", "click", "click", "cart", "order", "refund", "decision", "x.seen"
        )
        unit = int(rng.integers(60))
        row = {
            "event_id": f"{i:05d}",
            "type": kind,
            "at": NOON + timedelta(seconds=int(rng.integers(-9 * 86400, 2 * 86400)), microseconds=i),
            "user_id": some(f"u{unit}", f"u{unit}", None),
            "device_id": some(f"d{unit}", None),
            "scenario": some("home", "search", None),
            "recall_source": some("i2i", "hot", None),
            "trace_id": some(f"t{unit}-{rng.integers(3)}", None),
            "item_id": f"sku-{rng.integers(4)}",
        }
        if kind in ("order", "refund"):
            row |= {"value": Decimal(int(rng.integers(1, 10**6))) / 100, "currency": some("INR", "EUR")}
            row |= {"order_id": f"o-{rng.integers(300)}"}
        rows.append(row)
    return rows


def loops(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str, datetime], dict[str, Any]]:
    """The same by plain loops, from the words in the module's docstring."""
    start, end = datetime(2026, 11, 12), datetime(2026, 11, 13)
    rows = sorted(rows, key=lambda r: r["at"])

    def who(r: dict[str, Any]) -> Any:
        return r.get("user_id") or r.get("device_id") or r.get("session_id")

    belongs: dict[str, tuple[Any, Any]] = {}
    clicks = [r for r in rows if r["type"] == "click" and r["scenario"]]
    for r in rows:
        scenario, source = r["scenario"], r["recall_source"]
        if r["type"] == "order":
            near = [
                c for c in clicks if who(c) == who(r) is not None and timedelta(0) <= r["at"] - c["at"] < timedelta(1)
            ]
            if near:
                scenario = scenario or near[-1]["scenario"]
                source = source or (near[-1]["recall_source"] if near[-1]["scenario"] == scenario else None)
        belongs[r["event_id"]] = (scenario, source)
    for r in rows:
        if r["type"] == "refund":
            lines = [o for o in rows if o["type"] == "order" and o["order_id"] == r["order_id"] and o["at"] < end]
            known = [belongs[o["event_id"]] for o in lines if belongs[o["event_id"]][0]]
            scenario, source = belongs[r["event_id"]]
            if known:
                scenario = scenario or known[0][0]
                source = source or (known[0][1] if known[0][0] == scenario else None)
            belongs[r["event_id"]] = (scenario, source)

    seen: dict[tuple[Any, Any], set[datetime]] = defaultdict(set)
    for r in rows:
        scenario, _ = belongs[r["event_id"]]
        plain = r["type"] not in ("decision", "refund", "order") and r["scenario"]
        if plain or (r["type"] == "order" and scenario and start <= r["at"] < end):
            seen[scenario, who(r)].add(r["at"].replace(minute=0, second=0, microsecond=0))

    found: dict[tuple[str, str, str, datetime], dict[str, Any]] = {}
    people: dict[tuple[Any, ...], set[Any]] = defaultdict(set)
    counted_orders: set[str] = set()
    for r in rows:
        scenario, source = belongs[r["event_id"]]
        if not start <= r["at"] < end or r["type"] == "decision" or not scenario:
            continue
        first_line = r["type"] == "order" and r["order_id"] not in counted_orders
        counted_orders |= {r["order_id"]} if r["type"] == "order" else set()
        clicked = r["type"] == "impression" and any(
            c["scenario"] == scenario
            and c["item_id"] == r["item_id"]
            and (c["trace_id"] or who(c)) == (r["trace_id"] or who(r)) is not None
            and r["at"] <= c["at"] < end + timedelta(days=1)
            for c in clicks
        )
        hour = r["at"].replace(minute=0, second=0, microsecond=0)
        for grain, window in (("hour", hour), ("day", start)):
            for by in {"", source or ""}:
                key = (scenario, grain, by, window)
                cell = found.setdefault(key, {**dict.fromkeys(COUNTS, 0), "gross": {}, "net": {}})
                cell["impressions"] += r["type"] == "impression"
                cell["clicks"] += r["type"] == "click"
                cell["clicked_impressions"] += clicked
                cell["carts"] += r["type"] == "cart"
                cell["orders"] += first_line
                if r["type"] in ("order", "refund"):
                    sign = 1 if r["type"] == "order" else -1
                    net, gross = cell["net"], cell["gross"]
                    net[r["currency"]] = net.get(r["currency"], Decimal(0)) + sign * r["value"]
                    gross[r["currency"]] = gross.get(r["currency"], Decimal(0)) + (r["value"] if sign > 0 else 0)
                if r["type"] != "refund" and who(r):
                    people[("units", *key)].add(who(r))
                    if r["type"] == "order":
                        people[("buyers", *key)].add(who(r))
                    if any(window - timedelta(days=7) <= h < window for h in seen[scenario, who(r)]):
                        people[("returning_units", *key)].add(who(r))
    for (name, scenario, grain, by, window), several in people.items():
        found[scenario, grain, by, window][name] = len(several)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_one_query_finds_what_plain_loops_find(seed: int) -> None:
    rows = synthetic(seed)
    wanted = loops(rows)
    found = {
        (c["scenario"], c["grain"], c["recall_source"], c["starts_at"].astimezone(UTC).replace(tzinfo=None)): c
        for c in measure(ibis.memtable(reference.table(rows)), DAY)
    }
    assert found.keys() == wanted.keys()
    for key, cell in wanted.items():
        assert {name: found[key][name] for name in COUNTS} == {name: cell[name] for name in COUNTS}, key
        for money in ("gross", "net"):
            assert {c: Decimal(v) for c, v in found[key][money].items()} == cell[money], key
    whole = [cell for (_, grain, by, _), cell in wanted.items() if grain == "day" and not by]
    assert all(sum(cell[name] for cell in whole) for name in COUNTS)  # nothing is trivially right
