"""What workers do for campaigns; the beat schedule is in the settings."""

from contextlib import suppress
from typing import Any

from celery import shared_task
from django.utils import timezone

from bandits import graduating, learning, looking, simulating
from bandits.models import Campaign, Simulation, Status
from firstlight.postgres import locks


@shared_task
def learn(*, campaign_id: int, **_: Any) -> None:
    """One at a time per campaign: who finds it busy leaves, for the work is being done."""
    with suppress(locks.Busy, Campaign.DoesNotExist):
        learning.learn(campaign_id, at=timezone.now())


@shared_task
def learn_running(**_: Any) -> None:
    """One task per running campaign, so that workers share them and one that fails stops no other."""
    for pk in Campaign.objects.filter(status=Status.RUNNING).values_list("pk", flat=True):
        learn.delay(campaign_id=pk)


@shared_task
def graduate(*, campaign_id: int, **_: Any) -> None:
    """What is known of the items of one campaign by now; a second task at the same time leaves."""
    with suppress(locks.Busy, Campaign.DoesNotExist):
        graduating.graduate(campaign_id, at=timezone.now())


@shared_task(time_limit=60, soft_time_limit=50)
def graduate_running(**_: Any) -> None:
    """By the newest posteriors; who leaves a pool is not in its next draw table."""
    for pk in Campaign.objects.filter(status=Status.RUNNING, graduates=True).values_list("pk", flat=True):
        graduate.delay(campaign_id=pk)


@shared_task
def look(*, campaign_id: int, **_: Any) -> None:
    """Once. Busy means that somebody looks already; a draft, that there is nothing to see."""
    with (
        suppress(locks.Busy, Campaign.DoesNotExist, looking.UnableToLook),
        locks.alone("look at a campaign", str(campaign_id)),
    ):
        looking.look(campaign_id, at=timezone.now())


@shared_task
def simulate(*, simulation_id: int, **_: Any) -> None:
    """Play a campaign through; its row says how far it is."""
    with suppress(locks.Busy, Simulation.DoesNotExist):
        simulating.run(simulation_id, at=timezone.now())


@shared_task(time_limit=60, soft_time_limit=50)
def look_at_running(**_: Any) -> None:
    """Ask for a look at every campaign that runs, and at those that stopped until all that counts has come."""
    for pk in looking.open_at(timezone.now()):
        look.delay(campaign_id=pk)
