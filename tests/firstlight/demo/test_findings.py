"""The report says what was stored, and a withheld number stays withheld to the last line."""

import copy
import io
from typing import Any

import numpy as np
import pytest
import scipy.stats
from rich.console import Console

from bandits.policies.beliefs import Beta
from firstlight.demo import findings, printing

# As an experiment's results are stored: docs/methods.md, from events to a verdict.
RESULTS: dict[str, Any] = {
    "arms": [{"arm": "random", "units": 10_000}, {"arm": "bernoulli_ts", "units": 10_000}],
    "health": [{"check": "sample_ratio", "passed": True, "p": 0.91, "sentence": "As planned."}],
    "metrics": [
        {
            "metric": "click_through",
            "arms": [],
            "estimates": [
                {
                    "arm": "bernoulli_ts",
                    "difference": {"value": 0.0004, "low": -0.0013, "high": 0.0021},
                    "lift": {"value": 0.105, "low": -0.29, "high": 0.74},
                    "p": 0.65,
                }
            ],
        },
        {
            "metric": "click_rate",
            "arms": [
                {"arm": "random", "mean": 0.0038, "numerator": 38.0, "denominator": 10_000.0},
                {"arm": "bernoulli_ts", "mean": 0.0042, "numerator": 42.0, "denominator": 10_000.0},
            ],
            "estimates": [],
        },
    ],
    "verdict": {"kind": "end", "sentence": "No clear difference.", "reasons": []},
}
TRIALS = np.array([100.0, 200.0, 300.0, 0.0, 50.0, 60.0, 70.0])
SUCCESSES = np.array([1.0, 9.0, 2.0, 0.0, 0.0, 3.0, 1.0])
BELIEFS = Beta(tuple(f"all-{k}" for k in range(7)), 0.5 + SUCCESSES, 99.5 + TRIALS - SUCCESSES)


def withheld() -> dict[str, Any]:
    results = copy.deepcopy(RESULTS)
    results["metrics"][0]["estimates"][0]["lift"] = {"withheld": "too little data for a percentage"}
    return results


def report(results: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    answer = {
        "trace_id": "t-1",
        "snapshot": 7,
        "experiments": [{"experiment": "open-bandit-all", "variant": "random"}],
        "discovery": [{"position": 1, "item_id": "all-3"}],
    }
    found = {"arms": findings.arms(results)} | findings.effect(results) | {"leaders": findings.leaders(BELIEFS)}
    return {
        "scenarios": {"all": found | {"policy_value": value, "allocation": answer}},
        "experiments": [
            {
                "key": "open-bandit-aa",
                "status": "decided",
                "decision": "inconclusive",
                "verdict": "As alike as chance.",
            },
            {"key": "next", "status": "draft", "decision": "", "verdict": ""},
        ],
        "note": findings.NOTE,
        "seconds": {},
    }


def printed(found: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=140)
    printing.show(console, found)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_arms_tell_impressions_clicks_and_rate() -> None:
    assert findings.arms(RESULTS) == {
        "random": {"impressions": 10_000, "clicks": 38, "rate": 0.0038},
        "bernoulli_ts": {"impressions": 10_000, "clicks": 42, "rate": 0.0042},
    }


def test_the_effect_is_the_primary_metrics() -> None:
    assert findings.effect(RESULTS) == {
        "lift": 0.105,
        "interval": [-0.29, 0.74],
        "p": 0.65,
        "srm_p": 0.91,
        "verdict": "No clear difference.",
    }


def test_a_withheld_lift_is_told_with_its_reason() -> None:
    found = findings.effect(withheld())
    assert found["lift"] == found["interval"] == {"withheld": "too little data for a percentage"}
    assert found["p"] == 0.65


def test_leaders_come_by_posterior_mean_with_the_interval_of_the_beta_law() -> None:
    leaders = findings.leaders(BELIEFS)
    assert len(leaders) == findings.N_LEADERS
    assert [leader["mean"] for leader in leaders] == sorted((leader["mean"] for leader in leaders), reverse=True)
    assert leaders[0]["item"] == "all-1"
    law = scipy.stats.beta(0.5 + 9, 99.5 + 200 - 9)
    assert leaders[0]["mean"] == pytest.approx(law.mean())
    assert leaders[0]["interval"] == pytest.approx(law.interval(0.95))


def test_the_printed_report_has_every_number() -> None:
    text = printed(report(RESULTS, {"ips": 0.00456274, "snips": 0.00478603, "ess": 1643.2}))
    for words in (
        *("10,000", "38", "42", "0.38%", "0.42%", "+10.5%", "-29.0% to +74.0%", "p 0.650", "p 0.91"),
        *("No clear difference.", "0.4563%", "0.4786%", "ESS 1,643", "all-1", "open-bandit-all = random", "1: all-3"),
        *("snapshot 7", "each impression is a unit of its own"),
    ):
        assert words in text.replace("\n", " "), words


def test_what_is_withheld_is_printed_as_such() -> None:
    text = printed(report(withheld(), {"withheld": "effective sample size under 50"}))
    assert "Lift withheld: too little data for a percentage" in text
    assert "withheld, effective sample size under 50" in text


def test_every_experiment_is_in_the_last_words() -> None:
    said = printed(report(RESULTS, {"withheld": "too few"}))
    assert "inconclusive  As alike as chance." in said and "Not started" in said
