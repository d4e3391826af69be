"""How far an analysis has come, where everybody sees it: each note is its own transaction."""

from datetime import datetime

from experiments.models import Experiment, Progress

STAGES = ("reading the lake", "comparing arms", "storing the look")


def ask(experiment: Experiment, *, at: datetime) -> None:
    """Somebody wants a look; the page shows it as waiting from now on."""
    fresh = {"stage": "waiting", "share": 0.0, "asked_at": at, "finished_at": None, "failure": ""}
    Progress.objects.update_or_create(experiment=experiment, defaults=fresh)


def begin(experiment_id: int, *, at: datetime) -> None:
    """A worker has taken it up; when it was asked for stays as it was."""
    fresh = {"stage": "beginning", "share": 0.0, "finished_at": None, "failure": ""}
    Progress.objects.update_or_create(
        experiment_id=experiment_id, defaults=fresh, create_defaults={**fresh, "asked_at": at}
    )


def note(experiment_id: int, stage: str) -> None:
    share = (STAGES.index(stage) + 1) / (len(STAGES) + 1)
    Progress.objects.filter(experiment_id=experiment_id).update(stage=stage, share=share)


def finish(experiment_id: int, *, at: datetime, failure: str = "") -> None:
    """`failure`: why it ended without a look, in words."""
    ended = {"stage": "failed", "failure": failure} if failure else {"stage": "done", "share": 1.0}
    Progress.objects.filter(experiment_id=experiment_id).update(finished_at=at, **ended)
