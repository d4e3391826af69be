"""Ask for an export, write it, let it go."""

import os
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
from django.conf import settings
from django.core import signing
from django.db import transaction
from uuid_utils import uuid7

from firstlight.accounts import audit
from firstlight.accounts.models import User
from firstlight.exports import columns, formats, sources
from firstlight.exports.formats import Format, TooManyRows
from firstlight.exports.models import Job, State
from firstlight.exports.sources import Asked, Refused
from firstlight.notices.announcing import announce

KEEP = timedelta(hours=24)  # of a file, and of every link to it
NOTE_EVERY = 1.0  # seconds between two notes of progress
SALT = "firstlight.exports"


class NoFile(Exception):
    """There is nothing to download, in words."""


@transaction.atomic
def ask(kind: str, form: Format, asked: Asked, *, actor: str, at: datetime) -> Job:
    """A job that waits for a worker; the trail says who wants what. Raises `Refused`."""
    sources.checked(kind, asked)
    job = Job.objects.create(
        key=uuid7().hex,
        kind=kind,
        asked=asked.stored(),
        format=form,
        asked_by=actor,
        owner=User.objects.filter(username=actor).first(),
        asked_at=at,
    )
    record(actor, "exported", kind, asked, form)
    return job


def record(actor: str, action: str, kind: str, asked: Asked, form: Format) -> None:
    """Who took what out of the house."""
    subject = asked.experiment or asked.campaign or kind
    wanted = {name: value for name, value in asked.stored().items() if value}
    audit.record(actor, action, "export", subject, before={}, after={"kind": kind, "format": str(form), **wanted})


def run(key: str, *, at: datetime) -> None:
    """Write the file of a job that waits, or that a worker left half done. `Job.DoesNotExist` when it is over."""
    job = Job.objects.get(key=key, state__in=[State.WAITING, State.RUNNING])
    Job.objects.filter(pk=job.pk).update(state=State.RUNNING, rows_done=0)
    try:
        n_bytes = _write(job)
    except (Refused, TooManyRows) as refusal:
        _finish(job, at, state=State.FAILED, failure=str(refusal))
    else:
        _finish(job, at, state=State.DONE, n_bytes=n_bytes, expires_at=at + KEEP)


def _write(job: Job) -> int:
    """Bytes written. The file appears under its name when it is whole."""
    asked = Asked.of(job.asked)
    source = sources.checked(job.kind, asked)
    rows = source.read(asked)
    Job.objects.filter(pk=job.pk).update(rows_total=rows.total)
    path = file_of(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    try:
        with half.open("wb") as out:
            for chunk in formats.stream(
                Format(job.format), columns.schema(source.columns(asked)), _noted(job, rows.batches)
            ):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return path.stat().st_size


def _noted(job: Job, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches, with a note of progress now and then."""
    done, noted = 0, time.monotonic()
    for batch in batches:
        yield batch
        done += batch.num_rows
        if time.monotonic() - noted >= NOTE_EVERY:
            noted = time.monotonic()
            Job.objects.filter(pk=job.pk).update(rows_done=done)
    Job.objects.filter(pk=job.pk).update(rows_done=done, rows_total=done)


@transaction.atomic
def _finish(job: Job, at: datetime, **fields: object) -> None:
    Job.objects.filter(pk=job.pk).update(finished_at=at, **fields)
    job.refresh_from_db()
    done = f"The export “{job}” is ready: {job.rows_done:,} rows." if job.state == State.DONE else job.failure
    kind = "export.finished" if job.state == State.DONE else "export.failed"
    evidence = {"kind": job.kind, "format": job.format, "rows": job.rows_done, "bytes": job.n_bytes}
    announce(kind, job.key, done, evidence=evidence, at=at, once="finished", people=[job.owner] if job.owner else [])


def fail(key: str, *, at: datetime, failure: str) -> None:
    """Nobody will write it any more."""
    job = Job.objects.filter(key=key, state__in=[State.WAITING, State.RUNNING]).first()
    if job is not None:
        _finish(job, at, state=State.FAILED, failure=failure)


def expire(*, at: datetime) -> int:
    """Delete the files whose time is over; how many."""
    over = list(Job.objects.filter(state=State.DONE, expires_at__lte=at))
    for job in over:
        file_of(job).unlink(missing_ok=True)
        Job.objects.filter(pk=job.pk).update(state=State.EXPIRED)
    return len(over)


def file_of(job: Job) -> Path:
    return Path(settings.EXPORT_DIR) / f"{job.key}.{job.format}"


def opened(job: Job, *, at: datetime) -> Path:
    """The file to send. Raises `NoFile`."""
    if job.state in (State.WAITING, State.RUNNING):
        raise NoFile("This export is not finished yet.")
    if job.state == State.FAILED:
        raise NoFile(job.failure)
    if job.state == State.EXPIRED or job.expires_at is None or job.expires_at <= at or not file_of(job).exists():
        raise NoFile("This export has expired; ask for it again.")
    return file_of(job)


def record_download(job: Job, *, actor: str) -> None:
    """Who took it out of the house."""
    audit.record(actor, "downloaded", "export", str(job), before={}, after={"id": job.key, "bytes": job.n_bytes})


def token(job: Job) -> str:
    """Opens this file alone, as long as it is there, for whoever holds it."""
    return signing.dumps(job.key, salt=SALT)


def is_token_of(job: Job, text: str) -> bool:
    try:
        return bool(signing.loads(text, salt=SALT, max_age=KEEP + timedelta(minutes=5)) == job.key)
    except signing.BadSignature:
        return False
