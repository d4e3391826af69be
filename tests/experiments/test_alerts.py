"""What a look says is told once, and only what is wrong or ready."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction

from experiments import alerts, analysis
from experiments.models import Look
from firstlight.accounts.models import User
from firstlight.notices.models import Delivery, Notice
from tests import shop

FINE: dict[str, Any] = {"passed": True, "p": None, "sentence": "Fine."}
CALM: dict[str, Any] = {
    "arms": [{"key": "control", "units": 5}, {"key": "din", "units": 7}],
    "health": [{"check": name, **FINE} for name in ("sample_ratio", "exposures")],
    "metrics": [
        {
            "metric": "refunds",
            "name": "Refunds",
            "estimates": [
                {"arm": "din", "lift": {"value": 0.1, "low": 0.05, "high": 0.15},
                 "guardrail": {"state": "not settled", "p": 0.2, "sentence": "may be worse than -1 %: not settled"}}
            ],
        }
    ],
    "verdict": {"kind": "keep running", "sentence": "Keep running.", "reasons": []},
}  # fmt: skip


def failing(check, sentence="Broken."):
    results = deepcopy(CALM)
    results["health"].append({"check": check, "passed": False, "p": 1e-9, "sentence": sentence})
    return results


def harmed():
    results = deepcopy(CALM)
    results["metrics"][0]["estimates"][0]["guardrail"] |= {"state": "worse", "sentence": "worse than -1 %"}
    return results


def decided(kind):
    return deepcopy(CALM) | {"verdict": {"kind": kind, "sentence": f"It is time: {kind}.", "reasons": ["Seen."]}}


@pytest.mark.parametrize(
    ("results", "kinds"),
    [
        (CALM, []),
        (failing("sample_ratio"), ["experiment.sample_ratio"]),
        (failing("sample_ratio_watched"), ["experiment.sample_ratio"]),
        (failing("exposures"), ["experiment.exposures"]),
        (failing("outliers"), []),
        (harmed(), ["experiment.guardrail"]),
        (decided("ship"), ["experiment.ready"]),
        (decided("end"), ["experiment.ready"]),
        (decided("abort"), ["experiment.ready"]),
        (decided("cannot tell"), []),
    ],
)
def test_only_what_is_wrong_or_ready_is_told(results, kinds):
    assert [alert.kind for alert in alerts.alerts(results)] == kinds


def test_both_tests_of_the_split_tell_of_one_fault():
    both = failing("sample_ratio")
    both["health"].append({"check": "sample_ratio_watched", "passed": False, "p": 1e-9, "sentence": "Broken."})
    (alert,) = alerts.alerts(both)
    assert alert.evidence["units"] == {"control": 5, "din": 7}


def test_a_guardrail_is_named_with_its_arm_and_its_figures():
    (alert,) = alerts.alerts(harmed())
    assert alert.sentence == "“Refunds” is worse than -1 % in din."
    assert alert.evidence == {
        "metric": "refunds", "arm": "din", "p": 0.2, "lift": {"value": 0.1, "low": 0.05, "high": 0.15},
    }  # fmt: skip


@pytest.mark.django_db
class TestStored:
    @pytest.fixture
    def look_at(self):
        experiment = shop.experiment()
        experiment.owner = User.objects.create(username="mia", email="mia@shop.example")
        experiment.save()
        until = datetime(2026, 11, 23, tzinfo=UTC)

        def look(results, phase=1):
            verdict = results["verdict"]
            made = Look.objects.create(
                experiment=experiment, number=experiment.looks.count() + 1, until=until, batch=1,
                verdict=verdict["kind"], sentence=verdict["sentence"],
                results={**results, "basis": {"phase": phase}},
            )  # fmt: skip
            alerts.after(made)
            return made

        return look

    def test_a_state_is_told_once_per_phase(self, look_at):
        for _ in range(3):
            look_at(failing("sample_ratio"))
        look_at(CALM), look_at(failing("sample_ratio"))
        assert Notice.objects.count() == 1
        look_at(failing("sample_ratio"), phase=2)
        assert Notice.objects.count() == 2

    def test_exposures_that_end_again_later_are_told_again(self, look_at):
        first, second = "No new unit has come since 3 May 2026.", "No new unit has come since 9 May 2026."
        for sentence in (first, first, second):
            look_at(failing("exposures", sentence))
        assert Notice.objects.count() == 2

    def test_each_verdict_is_told_and_the_owner_hears_of_it(self, look_at):
        look_at(decided("ship")), look_at(decided("keep running")), look_at(decided("ship")), look_at(decided("abort"))
        sentences = list(Notice.objects.order_by("pk").values_list("sentence", flat=True))
        assert sentences == ["“New ranker”: It is time: ship.", "“New ranker”: It is time: abort."]
        assert Delivery.objects.filter(user__username="mia").count() == 2

    def test_the_real_reading_has_all_that_is_asked_for(self):
        look = shop.look(shop.experiment("big", "Big"), lift=0.9)
        alerts.after(look)
        assert set(Notice.objects.values_list("kind", flat=True)) <= {
            "experiment.ready", "experiment.guardrail", "experiment.exposures", "experiment.sample_ratio"
        }  # fmt: skip
        assert Notice.objects.filter(kind="experiment.ready").exists() == (look.verdict in alerts.READY)

    def test_a_look_that_is_stored_is_told_in_the_same_transaction(self):
        experiment = shop.experiment("stored", "Stored")
        basis = analysis.Basis(1, experiment.status, 1, "plan")
        results = decided("ship") | {"basis": basis.stored()}
        with pytest.raises(RuntimeError), transaction.atomic():
            analysis._store(experiment, results, basis, datetime.now(UTC))
            assert Notice.objects.filter(subject="stored").exists()
            raise RuntimeError
        assert not Notice.objects.exists()
        for _ in range(2):  # the same basis is no second look
            analysis._store(experiment, results, basis, datetime.now(UTC))
        assert Notice.objects.get().sentence == "“Stored”: It is time: ship."
