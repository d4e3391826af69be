"""What the page says of other policies: only what the log can tell, and the plain mean never without its label."""

from typing import Any

from bandits.page import Wording, evaluation

CLICKS = Wording.of("click", "")


def policy(name: str, value: float | None, low: float | None, high: float | None, **more: Any) -> dict[str, Any]:
    why = None if value is not None else "effective sample size under 50"
    each = [{"name": one, "value": value, "low": low, "high": high, "withheld": why} for one in evaluation.ESTIMATORS]
    each[-1] = {"name": "naive_mean", "value": 0.04, "low": None, "high": None, "withheld": None}
    seen = {"n": 900, "ess": 210.0, "mean_weight": 1.01, "max_weight": 9.0, "supported": 1.0, "is_trusted": True}
    told = {"policy": name, "n_choices": 900, "withheld": why, "estimators": each, "overlap": seen, "slates": []}
    return {**told, "value": {"logged": 0.02} if value is not None else None, "left_out": [], **more}


def test_a_policy_clear_of_what_was_earned_is_named_with_its_interval() -> None:
    found = evaluation.section([policy("uniform", 0.018, 0.01, 0.03), policy("greedy", 0.03, 0.025, 0.035)], CLICKS)
    assert found.sentence == "900 choices earned 2 % each; “greedy” would have earned 3 % (2.50 % to 3.50 %)."
    assert [row["tone"] for row in found.pictures[0].spec["datasets"]["rows"]] == ["unsettled", "better"]


def test_where_nobody_is_clear_none_is_named() -> None:
    found = evaluation.section([policy("uniform", 0.018, 0.01, 0.03)], CLICKS)
    assert found.sentence == "900 choices earned 2 % each; no other policy would clearly have earned more."


def test_what_the_log_cannot_tell_is_withheld_in_words_and_draws_no_mark() -> None:
    found = evaluation.section([policy("greedy", None, None, None)], CLICKS)
    assert found.sentence == "From 900 choices nothing can be told yet: effective sample size under 50."
    assert [row["tone"] for row in found.pictures[0].spec["datasets"]["rows"]] == ["withheld"]


def test_the_plain_mean_is_labelled_as_biased_wherever_it_stands() -> None:
    found = evaluation.section([policy("uniform", 0.018, 0.01, 0.03)], CLICKS)
    assert any("biased" in head.text for head in found.tables[0].heads)
    assert evaluation.BIASED in found.notes


def test_whole_pages_have_a_table_where_there_were_any() -> None:
    each = [{"name": n, "value": 0.05, "low": 0.04, "high": 0.06, "withheld": None} for n in ("ips", "snips")]
    pages = [{"kind": kind, "n_pages": 40, "estimators": each} for kind in evaluation.SLATES]
    found = evaluation.section([policy("uniform", 0.018, 0.01, 0.03, slates=pages)], CLICKS)
    assert [table.caption for table in found.tables][-1] == "By whole pages"
    assert len(found.tables[-1].rows) == 3


def test_what_was_left_out_is_counted() -> None:
    out = [{"why": "choices of arms that see no campaign", "n": 12}, {"why": "pages", "n": 0}]
    found = evaluation.section([policy("uniform", 0.018, 0.01, 0.03, left_out=out)], CLICKS)
    assert found.notes[-1] == "Left out: 12 (choices of arms that see no campaign)."


def test_before_the_start_there_is_nothing_to_value() -> None:
    assert evaluation.section([], CLICKS).is_missing
