"""Play a campaign through before it starts: asked for by a person, done by a worker, shown as it goes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from django.db import transaction

from bandits import ledgers, tables, weighing, worlds
from bandits.models import Campaign, PolicyKind, Simulation
from bandits.policies import outlook
from bandits.policies.graduation import Rule
from bandits.policies.policy import Policy
from bandits.policies.simulation import Setting, courses
from bandits.worlds import Prospect, UnableToSimulate
from firstlight.accounts import audit
from firstlight.lake import table as lake
from firstlight.postgres import locks

State = Simulation.State
PLAN, UNIFORM = {"name": "As planned"}, {"name": "Uniform", "policy": PolicyKind.UNIFORM.value}


@transaction.atomic
def ask(campaign: Campaign, asked: Mapping[str, Any], *, actor: str) -> Simulation:
    """Somebody wants to see it; a worker that is told of it plays it. Without settings the plan beside uniform."""
    whole = {**asked, "settings": asked.get("settings") or [PLAN, UNIFORM]}
    made = Simulation.objects.create(campaign=campaign, asked=whole, created_by=actor)
    audit.record(actor, "simulated", "campaign", campaign.key, before={}, after=whole)
    return made


def run(simulation_id: int, *, at: datetime) -> None:
    """Play it, to the end. What is missing is said; what broke off is played again from its seeds, to the same end.

    Raises `locks.Busy` while another process plays it, and what went wrong.
    """
    with locks.alone("simulate", str(simulation_id)):
        simulation = Simulation.objects.select_related("campaign__scenario").get(pk=simulation_id)
        if simulation.state in (State.DONE, State.FAILED):
            return
        _note(simulation, state=State.RUNNING, progress=0.0)
        try:
            results = played(simulation.campaign, simulation.asked, partial(_step, simulation), at=at)
        except UnableToSimulate as refusal:
            _note(simulation, state=State.FAILED, why=str(refusal))
        except Exception as error:
            _note(simulation, state=State.FAILED, why=f"It broke off, and the log says where: {error}"[:500])
            raise
        else:
            _note(simulation, state=State.DONE, progress=1.0, results=results)


def played(campaign: Campaign, asked: Mapping[str, Any], step: Any, *, at: datetime) -> dict[str, Any]:
    """`step` is called with the share that is done. Raises `UnableToSimulate`."""
    ledgers.bring_up(ledgers.of(campaign), until_batch=lake.latest_batch(), at=at)
    n_runs = asked["repetitions"] * len(asked["settings"])
    found = worlds.prospect(campaign, asked, n_runs=n_runs, at=at)
    seeds, told = range(asked["repetitions"]), []
    for place, one in enumerate(asked["settings"]):
        done = iter(range(place * len(seeds) + 1, n_runs + 1))
        runs = courses(found.world, setting(campaign, one, found), seeds, lambda done=done: step(next(done) / n_runs))  # type: ignore[misc]
        told.append(outlook.told(one["name"], runs))
    return {
        "days": asked["days"],
        "repetitions": asked["repetitions"],
        "settings": told,
        "notes": [*found.notes, *_left_out(campaign, asked["settings"])],
    }


def setting(campaign: Campaign, asked: Mapping[str, Any], found: Prospect) -> Setting:
    """As the campaign plans it, but for what is asked otherwise."""
    planned = tables.policy_of(campaign, "learned")
    a, b = _prior(found, asked.get("prior_strength_cap"))
    rule = _rule(weighing.rule_of(campaign), asked) if campaign.graduates else None
    return Setting(
        asked["name"],
        Policy(asked.get("policy", planned.kind), asked.get("epsilon", planned.epsilon)),
        a,
        b,
        rule,
        asked.get("floor", float(campaign.floor)),
        asked.get("delay_aware", campaign.delay_aware),
        asked.get("position_aware", campaign.position_aware),
    )


def _prior(found: Prospect, cap: float | None) -> tuple[Any, Any]:
    """What is believed before; weaker where a lower cap is asked for."""
    a, b = found.prior.a, found.prior.b
    weaker = 1.0 if cap is None else np.minimum(cap / (a + b), 1.0)
    return a * weaker, b * weaker


def _rule(planned: Rule, asked: Mapping[str, Any]) -> Rule:
    return Rule(
        asked.get("graduate_at", planned.graduate_at),
        asked.get("retire_at", planned.retire_at),
        asked.get("least_impressions", planned.least_impressions),
        planned.least_age_hours,
        asked.get("item_cap", planned.item_cap),
    )


def _left_out(campaign: Campaign, settings: Sequence[Mapping[str, Any]]) -> list[str]:
    told = []
    if campaign.policy in tables.CONTEXTUAL and any("policy" not in one for one in settings):
        told.append(
            "The plan learns from the attributes of a request; it is played without them, as Thompson sampling."
        )
    if campaign.merchant_cap or campaign.item_guarantee or campaign.daily_budget or campaign.merchant_floor:
        told.append("Guarantees, budgets and the caps of merchants are not played.")
    return told


def _step(simulation: Simulation, share: float) -> None:
    Simulation.objects.filter(pk=simulation.pk).update(progress=share)


def _note(simulation: Simulation, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(simulation, name, value)
    simulation.save(update_fields=list(fields))
