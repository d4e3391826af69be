"""How far an analysis has come, where everybody sees it at once: outside of any transaction of the work itself."""

from datetime import datetime

from experiments.models import Experiment, Progress

STAGES = ("reading the lake", "comparing arms", "storing the look")


def ask(experiment: Experiment, *, at: datetime) -> None:
    """Somebody wants a look; it is shown as waiting from now on."""
    fresh = {"stage": "waiting", "share": 0.0, "asked_at": at, "finished_at": None, "failure": ""}
    Progress.objects.update_or_create(experiment=experiment, defaults=fresh)


def begin(experiment: Experiment, *, at: datetime) -> None:
    """A worker has taken it up. When it was asked for stays, if somebody waits."""
    fresh = {"stage": "beginning", "share": 0.0, "finished_at": None, "failure": ""}
    waiting = Progress.objects.filter(experiment=experiment, finished_at=None)
    if not waiting.update(**fresh):
        Progress.objects.update_or_create(experiment=experiment, defaults={**fresh, "asked_at": at})


def note(experiment_id: int, stage: str) -> None:
    share = (STAGES.index(stage) + 1) / (len(STAGES) + 1)
    Progress.objects.filter(experiment_id=experiment_id, finished_at=None).update(stage=stage, share=share)


def finish(experiment_id: int, *, at: datetime, failure: str = "") -> None:
    """`failure`: why it ended without a look, in words."""
    ended = {"stage": "failed", "failure": failure} if failure else {"stage": "done", "share": 1.0}
    Progress.objects.filter(experiment_id=experiment_id).update(finished_at=at, **ended)


def in_words(error: Exception) -> str:
    """Of a failure that nobody foresaw."""
    return f"The analysis broke off, and the log says where: {type(error).__name__}: {error}"[:1_000]
