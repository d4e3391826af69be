"""What became of items, in words and pictures: nothing is hidden, and nothing is claimed that is withheld."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bandits.page import outcomes

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NONE = {"withheld": "fewer than five decisions can be judged yet"}


def left(item: str, kind: str = "graduated", days_ago: int = 3, **more: Any) -> dict[str, Any]:
    at = (NOW - timedelta(days=days_ago)).isoformat()
    evidence = {"chance": 0.96, "bar": 0.03, "mean": 0.05, "low": 0.04, "high": 0.06, "impressions": 1200}
    return {
        "item": item,
        "kind": kind,
        "decided_at": at,
        "decided_by": "worker",
        "evidence": evidence | {"because": "It beats the bar.", "bar_from": "set for the campaign"},
        "reversed_at": None,
        "reversed_by": "",
        "reason": "",
        "link": f"/take-back/{item}/",
        **more,
    }


def taken_back(item: str, days_ago: int) -> dict[str, Any]:
    at = (NOW - timedelta(days=days_ago)).isoformat()
    return left(item, days_ago=9, reversed_at=at, reversed_by="pm", reason="Wrong photo.")


def judgement(**more: Any) -> dict[str, Any]:
    counts = {"in_force": 2, "confirmed": 6, "refuted": 2, "open": 1}
    return {
        "graduated": counts,
        "retired": {**counts, "in_force": 1},
        "hours": {"n": 5, "median": 144.0, "low": 72.0, "high": 200.0},
        "impressions": {"n": 5, "median": 1200.0, "low": 800.0, "high": 1500.0},
        "precision": NONE,
        "survival": [{"days": 7, "n": 9, "share": NONE}],
        "items": [],
        **more,
    }


def test_without_a_decision_the_reason_is_told() -> None:
    assert outcomes.section([], judgement(), {}, now=NOW).missing == "Nothing has been decided yet."
    assert outcomes.section([], judgement(), {}, now=NOW, waiting="No bar.").missing == "No bar."


def test_the_sentence_tells_how_many_how_fast_and_how_surely() -> None:
    said = outcomes.sentence(judgement())
    assert said.startswith("2 items graduated, 1 was given up. Half of them took no more than 6 days and 1,200")
    assert said.endswith("Whether that was right: fewer than five decisions can be judged yet.")
    known = outcomes.sentence(judgement(precision={"value": 0.75, "low": 0.35, "high": 0.97}))
    assert known.endswith("Of 8 whose later rewards settle it 75 % lie above their bar (35 % to 97 %).")


def test_the_curve_rises_with_every_decision_and_falls_with_every_reversal() -> None:
    rows = [taken_back("a", days_ago=4), left("b"), left("c", "retired", days_ago=1)]
    found = outcomes.section(rows, judgement(), {}, now=NOW)
    drawn = [(r["kind"], r["items"]) for r in found.pictures[0].rows]
    assert drawn == [("graduated", n) for n in (0, 1, 0, 1, 1)] + [("retired", n) for n in (0, 1, 1)]
    assert found.pictures[0].spec["layer"]


def test_items_that_left_in_one_step_are_one_step_of_the_curve_and_long_courses_go_by_the_day() -> None:
    together = outcomes.section([left("a"), left("b")], judgement(), {}, now=NOW).pictures[0].rows
    assert [r["items"] for r in together] == [0, 2, 2]
    times = [(NOW - timedelta(days=5) + timedelta(minutes=10 * i)).isoformat() for i in range(300)]
    rows = [left(f"i-{i}", decided_at=at) for i, at in enumerate(times)]
    drawn = outcomes.section(rows, judgement(), {}, now=NOW).pictures[0].rows
    assert [r["items"] for r in drawn] == [0, 72, 216, 300, 300]


def test_survival_is_drawn_as_far_as_it_is_known() -> None:
    known = [{"days": 7, "n": 9, "share": {"value": 0.9, "low": 0.5, "high": 1.0}}]
    found = outcomes.section([left("a")], judgement(survival=known), {}, now=NOW)
    assert [picture.key for picture in found.pictures] == ["graduation", "survival"]
    assert found.pictures[1].rows[0] == {"days": 7, "items": 9, "value": 0.9, "low": 0.5, "high": 1.0}
    assert [p.key for p in outcomes.section([left("a")], judgement(), {}, now=NOW).pictures] == ["graduation"]


def test_every_decision_has_its_evidence_and_the_way_back_as_long_as_it_stands() -> None:
    rows = [taken_back("a", days_ago=4), left("b", evidence={"by_hand": "Fake."}, decided_by="pm"), left("c")]
    newest, by_hand, back = outcomes.section(rows, judgement(), {"c": "Coat"}, now=NOW).tables[0].rows
    assert [cell.text for cell in newest.cells][:2] == ["Coat", "graduated"]
    assert (newest.cells[0].sub, newest.cells[3].text, newest.cells[4].sub) == ("c", "96 %", "set for the campaign")
    assert newest.cells[-1].link == "/take-back/c/"
    assert (by_hand.cells[1].sub, by_hand.cells[3].text) == ("by pm: Fake.", "–")
    assert (back.cells[1].text, back.cells[1].sub) == ("taken back", "graduated, then: Wrong photo. (pm)")
    assert back.cells[-1].link == ""


def test_who_is_next_is_drawn_with_what_is_still_missing() -> None:
    nearest = [{"item": "a", "chance": 0.93, "missing": 40.0}, {"item": "b", "chance": 0.71, "missing": 0.0}]
    found = outcomes.section([], judgement(), {"a": "Coat"}, now=NOW, nearest=nearest)
    assert (found.sentence, found.is_missing) == ("Nothing has been decided yet.", False)
    drawn = found.pictures[0].chart.rows
    assert [(row["label"], row["note"], row["tone"]) for row in drawn] == [
        ("Coat", "93 %, 40 impressions to go", "better"),
        ("b", "71 %", "neutral"),
    ]
    both = outcomes.section([left("c")], judgement(), {}, now=NOW, nearest=nearest)
    assert [picture.key for picture in both.pictures] == ["graduation", "nearest"]


def test_what_the_ordinary_pool_showed_is_told_item_by_item() -> None:
    rate = {"value": 0.04, "low": 0.036, "high": 0.044}
    items = [
        {"item": "a", "kind": "graduated", "bar": 0.03, "impressions": 9000.0, "rate": rate, "verdict": "confirmed"},
        {"item": "b", "kind": "retired", "bar": 0.03, "impressions": 0.0, "rate": NONE, "verdict": "open"},
    ]
    first, second = outcomes.section([left("a")], judgement(items=items), {}, now=NOW).tables[1].rows
    assert (first.cells[3].text, first.cells[5].tone) == ("4 % (3.60 % to 4.40 %)", "better")
    money = outcomes.section([left("a")], judgement(items=items), {}, now=NOW, is_money=True).tables[1].rows[0]
    assert money.cells[2].text == "0.03000"
    assert (second.cells[3].text, second.cells[5].text) == ("–", "open")
