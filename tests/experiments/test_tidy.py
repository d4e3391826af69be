"""Rows of the results against the results themselves, walked another way."""

from datetime import UTC, date, datetime

import pytest

from experiments import tidy
from firstlight.exports.columns import batches
from tests import shop
from tests.experiments import looks

AT = datetime(2026, 11, 23, tzinfo=UTC)


def rows(results, **more):
    about = {"experiment": "ranker", "look": 7, "computed_at": AT, "until": AT}
    return list(tidy.rows(results, **{**about, **more}))


@pytest.fixture(scope="module")
def results():
    return looks.results()


def of(found, kind):
    return [row for row in found if row["row"] == kind]


def test_one_row_for_each_thing_that_was_found(results):
    found = rows(results)
    arms, metrics = len(results["arms"]), len(results["metrics"])
    assert len(of(found, "whole")) == arms * metrics
    for kind, entries in (("day", "daily"), ("segment", "segments"), ("scenario", "scenarios"), ("age", "ages")):
        assert len(of(found, kind)) == len(results[entries]) > 0
    assert sum(map(len, results["metrics"][0]["arms"])) > 0
    assert {(row["experiment"], row["look"], row["verdict"]) for row in found} == {("ranker", 7, "keep running")}


def test_every_number_of_an_estimate_is_in_its_row(results):
    whole = {(row["metric"], row["arm"]): row for row in of(rows(results), "whole")}
    for metric in results["metrics"]:
        for estimate in metric["estimates"]:
            row = whole[metric["metric"], estimate["arm"]]
            for name in ("difference", "lift"):
                for end, column in (("value", name), ("low", f"{name}_low"), ("high", f"{name}_high")):
                    assert row[column] == estimate[name][end]
            for covariates, of_looks in estimate["readings"].items():
                for when, reading in (of_looks or {}).items():
                    assert row[f"{covariates}_{when}_p"] == reading["p"]
                    assert row[f"{covariates}_{when}_lift_low"] == reading["lift"]["low"]
            assert row["p_adjusted"] == estimate["p_adjusted"]
            assert row["in_force"] == estimate["in_force"]
            assert row["chance_to_win"] == estimate["bayes"]["chance_to_win"]
            assert row["units_control"] == results["arms"][0]["units"]


def test_the_control_has_its_level_and_nothing_to_compare(results):
    control = next(row for row in of(rows(results), "whole") if row["arm"] == "control")
    level = results["metrics"][0]["arms"][0]
    assert (control["mean"], control["units"]) == (level["mean"], level["units"])
    assert control.get("lift") is None


def test_segments_are_cut_down_to_what_is_asked(results):
    some = [one["segment"] for one in results["segments"] if one["slice"] == "country"]
    asked = rows(results, segment="country")
    assert {row["row"] for row in asked} == {"segment"}
    assert {row["segment"] for row in asked} == set(some)
    one = rows(results, segment=f"country:{some[0]}")
    assert {(row["slice"], row["segment"]) for row in one} == {("country", some[0])}
    assert rows(results, segment="planet") == []


def test_days_are_dates(results):
    days = {row["day"] for row in of(rows(results), "day")}
    assert days == {date.fromisoformat(one["day"]) for one in results["daily"]}


def test_what_is_withheld_is_empty_and_says_why():
    results = looks.results(n_metrics=1, arms=2)
    estimate = results["metrics"][0]["estimates"][0]
    estimate["lift"] = {"withheld": "too little data for a percentage"}
    (row,) = (row for row in of(rows(results), "whole") if row["arm"] != "control")
    assert (row["lift"], row["lift_low"]) == (None, None)
    assert row["withheld"] == "too little data for a percentage"


def test_every_row_fits_the_columns(results):
    table = list(batches(tidy.COLUMNS, rows(results)))
    assert sum(batch.num_rows for batch in table) == len(rows(results))
    names = [column.name for column in tidy.COLUMNS]
    assert len(names) == len(set(names))


@pytest.mark.django_db
def test_a_look_as_it_is_read_and_stored_today_fits_as_well():
    look = shop.look(shop.experiment())
    found = rows(look.results)
    assert sum(batch.num_rows for batch in batches(tidy.COLUMNS, found)) == len(found) > 4


def test_an_old_look_has_empty_cells_for_what_was_not_known_then():
    old = looks.results(n_metrics=1, arms=2)
    for name in ("version", "plan", "definitions", "segments", "heterogeneity", "scenarios", "ages"):
        old.pop(name)
    kept = {"arm", "difference", "lift", "p", "p_adjusted", "log10_p", "method", "guardrail"}
    for metric in old["metrics"]:
        metric["estimates"] = [{k: v for k, v in one.items() if k in kept} for one in metric["estimates"]]
    found = rows(old)
    assert {row["row"] for row in found} == {"whole", "day"}
    assert sum(batch.num_rows for batch in batches(tidy.COLUMNS, found)) == len(found)
    assert all(row["chance_to_win"] is None for row in of(found, "whole") if row["arm"] != "control")
