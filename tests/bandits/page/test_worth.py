"""What the page says of a look: numbers as they were stored, and why there are none."""

from typing import Any

from bandits.page import worth
from bandits.telling import BIASED

SPREAD = {"value": 0.02, "low": 0.01, "high": 0.03}
BLANK = {"withheld": "no data yet"}


def estimate(metric: str, arm: str = "learned", **more: Any) -> dict[str, Any]:
    numbers = {"control": 1.0, "treatment": 1.02, "difference": SPREAD, "lift": SPREAD, "total": SPREAD, "p": 0.004}
    return {"metric": metric, "arm": arm, "units": 900, "method": "welch", **numbers, **more}


def guard(state: str, name: str = "conversion", **more: Any) -> dict[str, Any]:
    numbers = {"control": 0.05, "treatment": 0.04, "lift": SPREAD, "margin": 0.05, "units": 1_000}
    return {"guard": name, "state": state, **numbers, "sentence": f"It is {state}.", **more}


def look(**more: Any) -> dict[str, Any]:
    """As `bandits.looking` stores it."""
    split = {"passed": True, "p": 0.5, "units": {}, "shares": {}, "mixed_units": 0, "sentence": "As planned."}
    blank = dict.fromkeys(("by_ips", "greedy", "earned", "ess", "mean_weight", "is_trusted"), BLANK)
    cost = {"choices": 0, "discovered": 2, "clicks": BLANK, "per_item": BLANK, **blank}
    found = [estimate("clicks"), estimate("orders"), estimate("net_value")]
    naive = {"click_rate": 0.03, "choices": 10, "label": BIASED}
    told = {"worth": {"split": split, "estimates": found}, "guards": [], "cost": cost, "naive": naive}
    return {**told, "sentence": "The campaign brought orders.", **more}


def texts(section: Any) -> list[str]:
    return [f"{c.text} {c.sub}".strip() for table in section.tables for row in table.rows for c in row.cells]


def test_what_it_brought_is_told_with_its_intervals_and_money_in_its_currency() -> None:
    found = worth.worth(look(), "INR")
    assert found.sentence == "The campaign brought orders."
    assert [row["lift_low"] for row in found.pictures[0].rows] == [0.01] * 3
    said = texts(found)
    assert "0.0200 INR 0.0100 INR to 0.0300 INR" in said
    assert "0.0200 0.0100 to 0.0300" in said


def test_the_rate_as_it_comes_is_labelled_as_biased() -> None:
    said = texts(worth.worth(look(), ""))
    assert said[said.index("Click rate as it comes") + 1 :][:2] == ["3 %", BIASED]


def test_what_is_withheld_says_why_and_shows_no_number() -> None:
    numbers: dict[str, Any] = dict.fromkeys(("control", "treatment", "difference", "lift", "total", "p"), BLANK)
    found = worth.worth(look(worth={**look()["worth"], "estimates": [estimate("orders", **numbers)]}), "")
    assert found.pictures[0].rows[0]["withheld"] == "no data yet"
    assert "– no data yet" in texts(found)
    assert not any(char.isdigit() for text in texts(found)[:6] for char in text)


def test_a_split_that_chance_does_not_make_is_said() -> None:
    split = {**look()["worth"]["split"], "passed": False, "sentence": "The arms got other shares."}
    found = worth.worth(look(worth={"split": split, "estimates": look()["worth"]["estimates"]}), "")
    assert found.notes == ["The arms got other shares."]


def test_without_a_look_or_a_control_share_the_page_says_what_it_takes() -> None:
    assert "every hour" in worth.worth(None, "").missing
    alone = look(worth={"split": {**look()["worth"]["split"], "passed": None}, "estimates": []})
    assert "no control share" in worth.worth(alone, "").missing
    assert worth.guards(None).is_missing
    assert "takes a control share" in worth.guards(look()).missing


def test_a_guard_that_broke_comes_first_in_words_and_one_that_is_open_is_named() -> None:
    found = worth.guards(look(guards=[guard("broken"), guard("not settled", "refund_rate")]))
    assert found.sentence == "Share of units that order broke. Not settled: refunds per order."
    assert "5 %, 4 %" in texts(found)
    fine = worth.guards(look(guards=[guard("not worse")]))
    assert fine.sentence == "No guardrail broke."
