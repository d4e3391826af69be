"""The main job: real logs in, a verdict and a slate out, through every real part."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.utils import timezone

from bandits.models import Campaign
from experiments.models import Experiment
from firstlight.demo import client, download, findings, landed, open_bandit, shop, translation, value, workers
from firstlight.demo.open_bandit import CAMPAIGNS, Dataset
from firstlight.demo.progress import Steps
from firstlight.demo.trials import TRIALS, experiment_key


def run(api: httpx.Client, steps: Steps, check: Callable[[], None]) -> dict[str, Any]:
    """The report. What an earlier run did is found and not done again. `check` raises when a service has died."""
    with steps.step("fetch", "Fetch the Open Bandit Dataset"):
        data = open_bandit.read(download.fetch(Path(settings.VAR_DIR) / "cache"))
    by = _shift()
    with steps.step("shop", "Create scenarios, items, experiments and campaigns"):
        shop.open_up(data.garments, translation.FIRST_DAY + by)
    work = workers.Workers(check, by, len(data.impressions) // len(CAMPAIGNS))
    _load(api, data, by, steps, work)
    with steps.step("measure", "Measure the scenarios", len(CAMPAIGNS)) as advance:
        work.measure(advance)
    with steps.step("analyse", "Analyse the experiments", len(TRIALS)) as advance:
        work.analyse(advance)
    for trial in TRIALS:
        shop.decide(trial, timezone.now())
    with steps.step("learn", "Update the posteriors", len(CAMPAIGNS)) as advance:
        work.learn(advance)
    with steps.step("evaluate", "Value Thompson sampling from the random logs"):
        values = {name: value.estimate(name, data.beliefs[name], by) for name in CAMPAIGNS}
    with steps.step("allocate", "Ask for a live answer in each scenario"):
        answers = {name: work.answer(api, name) for name in CAMPAIGNS}
    scenarios = {name: _found(name) | {"policy_value": values[name], "allocation": answers[name]} for name in CAMPAIGNS}
    known = [findings.experiment(one) for one in Experiment.objects.order_by("pk")]
    return {"scenarios": scenarios, "experiments": known, "seconds": steps.seconds, "note": findings.NOTE}


def _load(api: httpx.Client, data: Dataset, by: timedelta, steps: Steps, work: workers.Workers) -> None:
    total = translation.count(data.impressions)
    there = landed.event_ids(by)
    missing = (e for e in translation.events(data.impressions, by) if e["event_id"] not in there)
    with steps.step("send", "Send the logs to the API", total - len(there)) as advance:
        client.send(api, missing, advance)
    with steps.step("flush", "Carry the events to the lake", total) as advance:
        work.flush(total, advance)


def _shift() -> timedelta:
    """How far the times are moved: as at the first run, which the experiments remember."""
    first = Experiment.objects.filter(key=experiment_key(CAMPAIGNS[0])).first()
    started_at = first.started_at if first else None
    return started_at - translation.FIRST_DAY if started_at else translation.shift(timezone.now())


def _found(campaign: str) -> dict[str, Any]:
    results = Experiment.objects.get(key=experiment_key(campaign)).looks.latest().results
    posterior = Campaign.objects.get(key=translation.campaign_key(campaign)).posteriors.latest()
    return (
        {"arms": findings.arms(results)} | findings.effect(results) | {"leaders": findings.leaders(posterior.beliefs)}
    )
