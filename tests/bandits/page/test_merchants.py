"""Who gets what, against what was promised."""

from typing import Any

from bandits.page import merchants

EVEN = {"n": 40, "n_shown": 30, "gini": 0.4124, "top_share": 0.31, "entropy": 3.1, "evenness": 0.84, "coverage": 0.75}


def got(merchant: str, share: float, *, floor: float = 0.05, cap: float = 1.0) -> dict[str, Any]:
    return {
        "merchant": merchant,
        "n_items": 3,
        "impressions": 1000 * share,
        "share": share,
        "floor": floor,
        "cap": cap,
        "floor_met": share >= floor,
        "cap_kept": share <= cap,
    }


def found(**more: Any) -> dict[str, Any]:
    ever = [got("m-1", 0.8, cap=0.5), got("m-2", 0.17), got("m-3", 0.03)]
    day = [got("m-1", 0.4, cap=0.5), got("m-2", 0.58)]
    return {
        "day": "2026-11-19",
        "items": EVEN,
        "merchants": {**EVEN, "n": 3, "n_shown": 3},
        "ever": ever,
        "yesterday": day,
        "floors_met": 2,
        **more,
    }


def test_before_the_first_impression_the_page_says_what_is_missing() -> None:
    assert merchants.section(found(ever=[]), {}).missing == merchants.MISSING


def test_the_sentence_tells_coverage_concentration_and_promises() -> None:
    assert merchants.sentence(found()) == (
        "3 of 3 merchants were shown; the tenth of the items with the most has 31 % of the impressions. "
        "Yesterday 2 of 2 merchants had the 5 % that each was promised."
    )
    assert "Yesterday" not in merchants.sentence(found(yesterday=[got("m-1", 1, floor=0)]))
    assert "Yesterday" not in merchants.sentence(found(yesterday=[]))


def test_who_is_outside_of_what_was_promised_is_red() -> None:
    picture = merchants.section(found(), {"m-1": "Ada's"}).pictures[0]
    assert [row["merchant"] for row in picture.rows] == ["m-1", "m-2", "m-3"]
    tones = [row["tone"] for row in picture.chart.rows]
    assert tones == ["worse", "neutral", "worse"]


def test_each_merchant_is_told_what_was_promised_and_whether_yesterday_kept_it() -> None:
    section = merchants.section(found(), {"m-1": "Ada's"})
    first, second, third = section.tables[0].rows
    assert (first.cells[0].text, first.cells[0].sub) == ("Ada's", "m-1")
    assert (first.cells[4].text, first.cells[5].text) == ("40 %", "at least 5 % and at most 50 %")
    assert (first.cells[5].sub, first.cells[5].tone) == ("kept yesterday", "better")
    assert (second.cells[5].text, third.cells[4].text, third.cells[5].sub) == ("at least 5 %", "–", "")
    assert section.tables[1].rows[0].cells[3].text == "0.412"


def test_without_a_promise_nothing_is_told_of_one() -> None:
    rows = [got("m-1", 1.0, floor=0)]
    assert merchants.section(found(ever=rows, yesterday=rows), {}).tables[0].rows[0].cells[5].text == "–"
