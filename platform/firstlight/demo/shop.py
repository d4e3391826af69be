"""The shop of the logs as a tenant of the platform: its scenarios, items, experiments and campaigns.

Everything is made once and found again by its key.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from bandits import lifecycle as campaigns
from bandits.models import Campaign
from experiments import lifecycle as experiments
from experiments.models import Arm, Experiment, ExperimentMetric, MetricRole, Unit
from firstlight.catalog import upsert
from firstlight.catalog.models import Scenario
from firstlight.demo.findings import PRIMARY, SECONDARY
from firstlight.demo.open_bandit import ARMS, CAMPAIGNS, Garment
from firstlight.demo.translation import campaign_key, experiment_key, item_key
from firstlight.metrics.models import Metric

ACTOR = "demo"
MEASURED = {PRIMARY: MetricRole.PRIMARY, SECONDARY: MetricRole.SECONDARY}
POSITIONS = [1, 2, 3]  # the shop's page shows three items side by side


def open_up(garments: Sequence[Garment], at: datetime) -> None:
    """All of it, with experiments and campaigns that run since `at`."""
    make_items(garments, at)
    for campaign in CAMPAIGNS:
        scenario = make_scenario(campaign)
        make_experiment(scenario, at)
        make_campaign(scenario, at)


def make_scenario(campaign: str) -> Scenario:
    defaults = {"name": f"Campaign “{campaign}”", "description": "Three recommended items on the shop's first page."}
    return Scenario.objects.get_or_create(key=campaign, defaults=defaults)[0]


def make_items(garments: Sequence[Garment], listed_at: datetime) -> None:
    rows = [
        {
            "key": item_key(garment.campaign, garment.item),
            "title": f"Item {garment.item}, {garment.campaign}",
            "category": f"category-{garment.features[0][:6]}",  # hashed by the publisher: a name of its own it has not
            "tags": [garment.campaign],
            "listed_at": listed_at,
        }
        for garment in garments
    ]
    upsert.items(rows, ACTOR)


@transaction.atomic
def make_experiment(scenario: Scenario, at: datetime) -> Experiment:
    """Random against Thompson sampling, half and half, since `at`."""
    experiment, new = Experiment.objects.get_or_create(
        key=experiment_key(scenario.key),
        defaults={
            "name": f"Thompson sampling in “{scenario.key}”",
            "hypothesis": "Items ranked by Bernoulli Thompson sampling are clicked more often than random ones.",
            "unit": Unit.SESSION,
            "planned_days": 7,
        },
    )
    if new:
        experiment.scenarios.set([scenario])
        for position, arm in enumerate(ARMS):
            Arm.objects.create(
                experiment=experiment, position=position, key=arm, weight="0.5", parameters={"ranker": arm}
            )
        for metric, role in MEASURED.items():
            ExperimentMetric.objects.create(experiment=experiment, metric=Metric.objects.get(key=metric), role=role)
        experiments.start(experiment.pk, actor=ACTOR, at=at)
    return experiment


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
