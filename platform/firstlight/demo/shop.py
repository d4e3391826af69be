"""The shop of the logs as a tenant of the platform: its scenarios, items, experiments and campaigns.

Everything is made once and found again by its key.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from bandits import lifecycle as campaigns
from bandits.models import Campaign
from experiments import lifecycle as experiments
from experiments.models import Arm, Decision, Experiment, ExperimentMetric, MetricRole, RampStage, Status, Unit
from firstlight.catalog import upsert
from firstlight.catalog.models import Scenario
from firstlight.demo.findings import PRIMARY, SECONDARY
from firstlight.demo.open_bandit import CAMPAIGNS, Garment
from firstlight.demo.translation import campaign_key, item_key
from firstlight.demo.trials import TRIALS, Trial
from firstlight.metrics.models import Metric

ACTOR = "demo"
MEASURED = {PRIMARY: MetricRole.PRIMARY, SECONDARY: MetricRole.GUARDRAIL}
MARGIN = "0.1"  # of the guardrail: a tenth of the clicks per impression
RAMP = ("0.1", "0.5", "1")  # shares of the sessions
POSITIONS = [1, 2, 3]  # the shop's page shows three items side by side


def open_up(garments: Sequence[Garment], at: datetime) -> None:
    """All of it, with experiments and campaigns that run since `at`."""
    make_items(garments, at)
    scenarios = [make_scenario(campaign) for campaign in CAMPAIGNS]
    for trial in TRIALS:
        make_experiment(trial, at)
    for scenario in scenarios:
        make_campaign(scenario, at)
    make_draft()


def make_scenario(campaign: str) -> Scenario:
    defaults = {"name": f"Campaign “{campaign}”", "description": "Three recommended items on the shop's first page."}
    return Scenario.objects.get_or_create(key=campaign, defaults=defaults)[0]


def make_items(garments: Sequence[Garment], listed_at: datetime) -> None:
    rows = [
        {
            "key": item_key(garment.campaign, garment.item),
            "title": f"Item {garment.item}, {garment.campaign}",
            "category": f"category-{garment.features[2][:6]}",  # the coarsest, hashed by the publisher
            "tags": [garment.campaign],
            "listed_at": listed_at,
        }
        for garment in garments
    ]
    upsert.items(rows, ACTOR)


@transaction.atomic
def make_experiment(trial: Trial, at: datetime) -> Experiment:
    """Half and half, since `at`."""
    experiment, new = Experiment.objects.get_or_create(key=trial.key, defaults=_plan(trial))
    if new:
        experiment.scenarios.set(Scenario.objects.filter(key__in=trial.scenarios))
        _fill(experiment, trial.arms, sets=trial.sets)
        experiments.start(experiment.pk, actor=ACTOR, at=at)
    return experiment


def _plan(trial: Trial) -> dict[str, Any]:
    told = {"name": trial.name, "hypothesis": trial.hypothesis, "type": trial.type}
    return {**told, "unit": Unit.SESSION, "planned_days": 7, "slices": ["category"], "tags": ["open bandit"]}


def _fill(experiment: Experiment, arms: Sequence[str], *, sets: bool) -> None:
    """`sets`: the arm is a ranker that the recommender is told to use."""
    for position, arm in enumerate(arms):
        told = {"ranker": arm} if sets else {}
        Arm.objects.create(experiment=experiment, position=position, key=arm, weight="0.5", parameters=told)
    for metric, role in MEASURED.items():
        ExperimentMetric.objects.create(
            experiment=experiment, metric=Metric.objects.get(key=metric), role=role, margin=MARGIN
        )


@transaction.atomic
def make_draft() -> Experiment:
    """What somebody plans next: by a ramp, with the scenario's other experiment still to end. Nothing of it has run."""
    experiment, new = Experiment.objects.get_or_create(
        key="posteriors-of-the-shop",
        defaults={
            "name": "Thompson sampling from the shop's own posteriors",
            "hypothesis": "Posteriors that the shop learnt in production find the good items from the first day on.",
            "unit": Unit.SESSION,
            "planned_days": 14,
            "slices": ["category"],
            "tags": ["open bandit", "planned"],
            "coverage": RAMP[0],
        },
    )
    if new:
        experiment.scenarios.set(Scenario.objects.filter(key="men"))
        _fill(experiment, ["bernoulli_ts", "shop_posteriors"], sets=True)
        for position, coverage in enumerate(RAMP):
            RampStage.objects.create(
                experiment=experiment, position=position, coverage=coverage, hold_hours=24, least_units=1_000
            )
    return experiment


def decide(trial: Trial, at: datetime) -> None:
    """Stop and close it, with what its closing says; one that runs on, or is closed, stays as it is."""
    experiment = Experiment.objects.get(key=trial.key)
    if trial.closing and experiment.status == Status.RUNNING:
        experiments.stop(experiment.pk, actor=ACTOR, at=at)
        experiments.decide(experiment.pk, actor=ACTOR, at=at, decision=Decision.INCONCLUSIVE, note=trial.closing)


@transaction.atomic
def make_campaign(scenario: Scenario, at: datetime) -> Campaign:
    """Discovery among the items of the scenario, in all of its slots."""
    campaign, new = Campaign.objects.get_or_create(
        key=campaign_key(scenario.key),
        defaults={
            "name": f"Discovery in “{scenario.key}”",
            "scenario": scenario,
            "positions": POSITIONS,
            "pool_tags": [scenario.key],
        },
    )
    if new:
        campaigns.start(campaign.pk, actor=ACTOR, at=at)
    return campaign
