"""A stored look in the shapes of its page: what is said, drawn and left out."""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest

from experiments import page
from experiments.page import Choice, ages, beliefs, forest, growth, measured, scenarios, segments, settling, stored
from firstlight.console import words
from firstlight.console.sections import Section, Table
from tests.experiments import looks

FOUND = page.whole(looks.results())
NOTHING = Choice()


def told(section: Section) -> str:
    """Everything that the tables of a section say."""
    cells = [c for t in section.tables for r in t.rows for c in r.cells]
    return " ".join([section.sentence, *section.notes, *(f"{c.text} {c.sub}" for c in cells)])


def drawn(section: Section, key: str) -> list[dict[str, Any]]:
    (picture,) = [p for p in section.pictures if p.key == key]
    return list(picture.chart.rows)


def column(table: Table, name: str) -> list[str]:
    (at,) = [i for i, head in enumerate(table.heads) if head.text == name]
    return [r.cells[at].text for r in table.rows if not r.is_group]


# --- what the reader asked for ---


@pytest.mark.parametrize(
    "asked",
    [
        {"scale": "cubic", "covariates": "x", "horizon": "' OR 1=1", "rows": "-1"},
        {"rows": "9" * 20, "metric": "no such metric", "arm": "nobody"},
        {"rows": "१", "scale": ""},
    ],
)
def test_an_address_that_makes_no_sense_shows_what_is_in_force(asked: dict[str, str]) -> None:
    choice = Choice.of(asked)
    assert (choice.scale, choice.covariates, choice.horizon, choice.rows) == ("", "", "", 1)
    assert page.sections(FOUND, choice) is not None
    assert drawn(forest.section(FOUND, choice), "lifts") == drawn(forest.section(FOUND, NOTHING), "lifts")


def test_a_link_says_the_same_again() -> None:
    from urllib.parse import parse_qsl

    choice = Choice("absolute", "raw", "fixed", "click-rate", "dien", 3, 7)
    asked = dict(parse_qsl(choice.query.removeprefix("?")))
    assert Choice.of(asked, look=int(asked["look"])) == choice


@pytest.mark.parametrize("covariates", ["raw", "adjusted"])
@pytest.mark.parametrize("horizon", ["fixed", "sequential"])
def test_the_forest_shows_the_reading_that_is_asked_for(covariates: str, horizon: str) -> None:
    rows = drawn(forest.section(FOUND, Choice(covariates=covariates, horizon=horizon)), "lifts")
    shown = {(r["value"], r["low"], r["high"]) for r in rows}
    for _, e in stored.estimates(FOUND):
        reading = e["readings"][covariates]
        if reading:
            assert tuple(reading[horizon]["lift"][k] for k in ("value", "low", "high")) in shown


def test_a_metric_that_has_no_such_reading_keeps_the_one_in_force() -> None:
    (metric,) = [m for m in FOUND["metrics"] if m["metric"] == "return-7"]
    estimate = metric["estimates"][0]
    assert estimate["readings"]["adjusted"] is None
    assert stored.reading(estimate, "adjusted", "fixed") is estimate


def test_the_page_says_when_the_verdict_goes_by_another_reading() -> None:
    assert "the verdict goes by it" in forest.section(FOUND, NOTHING).sentence
    other = forest.section(FOUND, Choice(horizon="fixed"))
    assert "another reading, adjusted and sequential" in other.sentence
    (switch,) = [s for s in other.switches if s.label == "Horizon"]
    assert [(o.text, o.on, o.in_force) for o in switch.options] == [
        ("Sequential", False, True),
        ("Fixed", True, False),
    ]


# --- forest ---


def test_absolute_rows_keep_their_shape_each_on_its_own_scale() -> None:
    """Position over reach is as in the numbers, and 0 is where 0 was."""
    rows = drawn(forest.section(FOUND, Choice(scale="absolute")), "lifts")
    for row, (_, e) in zip(rows, stored.estimates(FOUND), strict=True):
        change = e["difference"]
        assert max(abs(row["low"]), abs(row["high"])) == pytest.approx(1)
        assert row["value"] / row["high"] == pytest.approx(change["value"] / change["high"])


def test_a_difference_of_shares_is_in_percentage_points() -> None:
    rows = drawn(forest.section(FOUND, Choice(scale="absolute")), "lifts")
    assert all(" pp" in r["note"] for r in rows if r["label"].startswith(("Click rate", "Buyers", "Came back")))
    assert not any(" pp" in r["note"] for r in rows if r["label"].startswith(("Value", "Visits")))


def test_goals_stand_first_then_guardrails() -> None:
    roles = [m["role"] for m, _ in stored.estimates(FOUND)]
    assert roles == sorted(roles, key=["primary", "guardrail", "secondary"].index)


def test_the_margin_lies_on_the_side_of_harm() -> None:
    rows = {r["label"]: r["margin"] for r in drawn(forest.section(FOUND, NOTHING), "lifts")}
    assert rows["Refunds per user · Ranker DIN"] == 0.02  # less is better
    assert rows["Merchants reached · Ranker DIN"] == -0.02
    assert rows["Visits per user · Ranker DIN"] is None


# --- settling ---


def test_each_day_has_the_interval_of_one_look_inside_that_of_every_look() -> None:
    rows = drawn(settling.section(FOUND, NOTHING), "settling-click-rate")
    assert len(rows) == 28 and all(r["outer_low"] < r["low"] < r["high"] < r["outer_high"] for r in rows)


def test_bounds_are_drawn_for_the_goal_alone_one_line_an_arm() -> None:
    rows = drawn(settling.section(FOUND, Choice(metric="value")), "bounds")
    expected = [s for s in FOUND["sequence"] if s["metric"] == "value"]
    assert [(r["information"], r["statistic"]) for r in rows] == [(s["information"], s["statistic"]) for s in expected]
    assert {r["series"] for r in rows} == {"Ranker DIN", "Ranker DIEN"}


def test_a_plan_without_bounds_draws_none() -> None:
    always_valid = {**FOUND, "sequence": [{**s, "z": None} for s in FOUND["sequence"]]}
    assert all(p.key != "bounds" for p in settling.section(always_valid, NOTHING).pictures)


# --- segments ---


def test_the_pages_of_segments_show_every_segment_once() -> None:
    shown = [row["label"] for n in range(1, 5) for row in drawn(segments.section(FOUND, Choice(rows=n)), "segments")]
    assert len(shown) == 50 == len(set(shown))
    last = segments.section(FOUND, Choice(rows=99))
    assert drawn(last, "segments") == drawn(segments.section(FOUND, Choice(rows=4)), "segments")


def test_within_a_slice_the_largest_segment_comes_first_and_who_names_none_last() -> None:
    one = next(s for s in FOUND["segments"])
    sizes = {"IN": 50, "": 900, "BR": 70, "NP": 70}
    told = [{**one, "segment": name, "units": {"control": n, "treatment": n}} for name, n in sizes.items()]
    shown = drawn(segments.section({**FOUND, "segments": told}, NOTHING), "segments")
    assert [row["label"].split(" · ")[0] for row in shown] == ["BR", "NP", "IN", "not said"]


def test_segments_show_what_was_drawn_in_and_no_p_of_their_own() -> None:
    section = segments.section(FOUND, NOTHING)
    kept = {s["shrunken"]["value"] for s in FOUND["segments"]}
    assert all(row["value"] in kept for row in drawn(section, "segments"))
    of_segments = section.tables[1]
    assert not any("p" in head.text.split() for head in of_segments.heads)
    assert all("p" not in row for row in section.pictures[0].rows)


def test_the_test_of_a_difference_comes_before_the_segments() -> None:
    section = segments.section(FOUND, NOTHING)
    assert section.sentence == "No sign that the lift differs between segments, in 100 tests together."
    assert column(section.tables[0], "Slice") == list(looks.SLICES)
    found = deepcopy(dict(FOUND))
    found["heterogeneity"][7] |= {"p_adjusted": 0.001, "sentence": "It differs by country."}
    assert segments.section(found, NOTHING).sentence == "1 of 100 tests find a difference. It differs by country."


def test_the_csv_has_all_segments_of_the_picture_not_only_its_page() -> None:
    assert len(segments.section(FOUND, NOTHING).pictures[0].rows) == 50


# --- scenarios, growth, ages, beliefs ---


def test_a_cell_has_colour_only_where_the_interval_leaves_0() -> None:
    for arm in ("din", "dien"):
        cells = drawn(scenarios.section(FOUND, Choice(arm=arm)), "scenarios")
        given = sorted((s for s in FOUND["scenarios"] if s["arm"] == arm), key=lambda s: s["scenario"])
        for cell, s in zip(cells, given, strict=True):
            change = s["lift"]
            spans = "value" not in change or change["low"] <= 0 <= change["high"]
            assert (cell["tone"] in ("better", "worse")) != spans
            if not spans:
                gain = change["value"] * (1 if stored.direction(FOUND, s["metric"]) == "increase" else -1)
                assert cell["tone"] == ("better" if gain > 0 else "worse")


def test_the_waterfall_begins_at_0_and_ends_at_the_whole_lift() -> None:
    rows = drawn(growth.section(FOUND, NOTHING), "growth")
    *steps, whole = rows
    assert steps[0]["start"] == 0
    assert all(after["start"] == before["end"] for before, after in pairwise(steps))
    total = FOUND["growth"][0]["total"]["value"]
    assert whole["end"] == steps[-1]["end"] == pytest.approx(total)


def test_ages_are_of_the_chosen_metric() -> None:
    rows = drawn(ages.section(FOUND, Choice(metric="value")), "ages")
    expected = [a["lift"]["value"] for a in FOUND["ages"] if a["metric"] == "value"]
    assert [r["value"] for r in rows] == expected


def test_the_bayesian_view_says_that_it_stops_nothing() -> None:
    section = beliefs.section(FOUND, NOTHING)
    assert section.badge == "not a stopping rule" and "Do not stop by it" in told(section)


def test_a_chance_is_never_certain() -> None:
    assert beliefs.chance(1.0) == "> 99.9 %" and beliefs.chance(0.0) == "< 0.1 %" and beliefs.chance(0.5) == "50.0 %"


# --- table ---


def test_the_table_says_p_and_adjusted_p_of_the_reading() -> None:
    table = measured.section(FOUND, NOTHING).tables[0]
    told_p = [x for x in column(table, "Adjusted p") if x]
    assert told_p == [stored.p(e["p_adjusted"]) for m in FOUND["metrics"] for e in m["estimates"]]
    fixed = measured.section(FOUND, Choice(covariates="raw", horizon="fixed")).tables[0]
    first = FOUND["metrics"][0]["estimates"][0]["readings"]["raw"]["fixed"]
    assert set(column(fixed, "Adjusted p")) == {"", words.BLANK}  # corrected is what decides, and nothing else
    assert column(fixed, "p")[1] == words.p_value(first["p"]).removeprefix("p = ")


# --- health ---


@pytest.mark.parametrize(
    ("check", "passed", "state"),
    [
        ("sample_ratio", True, "ok"),
        ("sample_ratio", False, "fail"),
        ("several_arms", False, "fail"),
        ("outliers", False, "warn"),
        ("low_power", False, "warn"),
        ("exposures", None, "open"),
        ("some_new_check", False, "fail"),
    ],
)
def test_a_check_is_ok_a_caution_or_a_failure(check: str, passed: bool | None, state: str) -> None:
    found = {**FOUND, "health": [{"check": check, "passed": passed, "p": None, "sentence": "So it is."}]}
    (one,) = page.health(found)
    assert (one.state, one.sentence) == (state, "So it is.")


def test_what_is_wrong_comes_first_and_is_counted() -> None:
    found = page.health(FOUND)
    assert found[0].name == "Outliers"
    assert page.health_sentence(found) == "1 check calls for care; the others are in order."
    failed = page.health({**FOUND, "health": [{**c, "passed": False} for c in FOUND["health"]]})
    assert page.health_sentence(failed) == "5 checks fail: no lift below can be trusted."
    unmade = page.health({**FOUND, "health": [{**c, "passed": i > 0 or None} for i, c in enumerate(FOUND["health"])]})
    assert page.health_sentence(unmade) == "6 checks are in order; 1 could not be made."


# --- looks that know less ---


def withheld(results: dict[str, Any]) -> dict[str, Any]:
    """The same look with every interval withheld."""

    def blank(found: Any) -> Any:
        if isinstance(found, dict):
            return (
                {"withheld": "fewer than two units in an arm"}
                if {"value", "low", "high"} <= set(found) and "factor" not in found
                else {key: blank(value) for key, value in found.items()}
            )
        return [blank(one) for one in found] if isinstance(found, list) else found

    kept: dict[str, Any] = blank(results)
    return kept


SPARSE = {
    "old": looks.old(),
    "two arms, one metric": looks.results(arms=2, n_metrics=1),
    "withheld": withheld(looks.results()),
    "empty lists": {**looks.results(), **{name: [] for name in stored.LISTS if name not in ("metrics", "arms")}},
    "no estimates": looks.results(metrics=[{**m, "estimates": []} for m in looks.results()["metrics"]], daily=[]),
    "blanks": looks.results(
        metrics=[
            {
                **m,
                "estimates": [
                    {**e, "bayes": None, "shrunken": None, "uncapped": None, "simultaneous": None, "site_wide": None}
                    for e in m["estimates"]
                ],
            }
            for m in looks.results()["metrics"]
        ]
    ),
}


@pytest.mark.parametrize("name", SPARSE)
@pytest.mark.parametrize("scale", ["relative", "absolute"])
def test_a_look_that_knows_less_says_less_and_why(name: str, scale: str) -> None:
    found = page.whole(SPARSE[name])
    for section in page.sections(found, Choice(scale=scale)):
        assert section.is_missing or section.pictures or section.tables, section.key
        text = told(section)
        assert "None" not in text and "nan" not in text.lower().replace("finance", "")
        for picture in section.pictures:
            assert picture.spec["datasets"] is not None


def test_old_looks_have_lifts_settling_and_table() -> None:
    found = page.whole(looks.old())
    assert page.is_old(found)
    assert [s.key for s in page.sections(found, NOTHING) if not s.is_missing] == ["lifts", "settling", "metrics"]


def test_reading_a_look_changes_nothing_of_it() -> None:
    before = looks.results()
    after = deepcopy(before)
    page.sections(page.whole(after), Choice(scale="absolute", rows=2))
    assert after == before


def test_other_methods_are_a_table_of_their_own() -> None:
    measured = next(one for one in page.sections(FOUND, Choice()) if one.key == "metrics")
    table = measured.tables[-1]
    first = FOUND["metrics"][0]["estimates"][0]["others"]
    assert "none of them decides" in table.caption and table.is_folded
    assert str(words.lift(first["conditional"])) in str(table.rows[0]) and ".03" in str(table.rows[0])
