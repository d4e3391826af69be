"""A job from the question to the file and its end, over a source of the test's own."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from firstlight.accounts.models import AuditEntry, User
from firstlight.exports import formats, jobs, sources, tasks
from firstlight.exports.columns import batches, columns
from firstlight.exports.formats import Format
from firstlight.exports.models import Job, State
from firstlight.exports.sources import Asked, Refused, Rows, Source
from firstlight.notices.models import Notice

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
NUMBERS = columns("integer", "n")


@pytest.fixture
def numbers(monkeypatch, settings, tmp_path):
    """12,000 numbers, and what the source was asked for."""
    settings.EXPORT_DIR = tmp_path / "exports"
    seen = []

    def check(asked):
        if asked.experiment == "none":
            raise Refused("There is no experiment of this name.", "experiment")

    def read(asked):
        seen.append(asked)
        return Rows(batches(NUMBERS, ({"n": i} for i in range(12_000))), 12_000)

    made = Source(
        "numbers", lambda _: NUMBERS, frozenset({"experiment", "pseudonyms"}), frozenset({"experiment"}), check, read
    )
    monkeypatch.setattr(sources, "sources", lambda: {"numbers": made})
    return seen


def ask(form=Format.CSV, **wanted):
    return jobs.ask("numbers", form, Asked(**{"experiment": "ranker"} | wanted), actor="mia", at=NOW)


def done(form=Format.CSV, **wanted):
    job = ask(form, **wanted)
    jobs.run(job.key, at=NOW)
    job.refresh_from_db()
    return job


def test_a_job_becomes_a_file_with_every_row(numbers):
    job = done(pseudonyms=True)
    rows = list(csv.DictReader(io.StringIO(jobs.opened(job, at=NOW).read_text())))
    assert [int(row["n"]) for row in rows] == list(range(12_000))
    assert (job.state, job.rows_done, job.rows_total) == (State.DONE, 12_000, 12_000)
    assert job.n_bytes == jobs.file_of(job).stat().st_size
    assert numbers == [Asked(experiment="ranker", pseudonyms=True)]
    assert job.file_name == "firstlight-ranker-numbers-20261123-1000.csv"


def test_what_was_asked_for_survives_the_way_through_the_database():
    plain = Asked(experiment="ranker", look=3, segment="country:IN", pseudonyms=True, scenarios=("home",))
    timed = Asked(start=NOW, end=NOW + timedelta(days=1))
    for asked in (plain, timed, Asked()):
        assert Asked.of(asked.stored()) == asked


@pytest.mark.parametrize(
    ("kind", "asked", "field"),
    [
        ("letters", Asked(), "kind"),
        ("numbers", Asked(), "experiment"),
        ("numbers", Asked(experiment="none"), "experiment"),
        ("numbers", Asked(experiment="ranker", look=3), "look"),
        ("numbers", Asked(experiment="ranker", segment="country"), "segment"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_a_worker_sees_it(numbers, kind, asked, field):
    with pytest.raises(Refused) as refusal:
        jobs.ask(kind, Format.CSV, asked, actor="mia", at=NOW)
    assert refusal.value.field == field
    assert not Job.objects.exists()


def test_the_trail_tells_who_took_what_and_who_asked_is_told(numbers):
    mia = User.objects.create(username="mia", email="mia@shop.example")
    job = done()
    entry = AuditEntry.objects.get(kind="export")
    assert (entry.actor, entry.action, entry.subject) == ("mia", "exported", "ranker")
    assert entry.changes["format"] == [None, "csv"]
    notice = Notice.objects.get()
    assert (notice.kind, notice.sentence) == ("export.finished", "The export “numbers ranker” is ready: 12,000 rows.")
    assert [delivery.user for delivery in notice.deliveries.all()] == [mia]
    assert job.owner == mia


def test_progress_is_noted_while_it_runs(numbers, monkeypatch):
    monkeypatch.setattr(jobs, "NOTE_EVERY", 0.0)
    noted = []
    plain = formats.stream

    def watched(*about):
        for chunk in plain(*about):
            noted.append(Job.objects.get().rows_done)
            yield chunk

    monkeypatch.setattr(formats, "stream", watched)
    done()
    assert noted[0] == 0
    assert 0 < noted[-1] < 12_000
    assert noted == sorted(noted)


def test_a_worker_that_dies_leaves_no_file_and_the_next_one_begins_anew(numbers, monkeypatch):
    job = ask()

    def dies(*_):
        yield b"n\n0\n"
        raise KeyboardInterrupt

    monkeypatch.setattr(formats, "stream", dies)
    with pytest.raises(KeyboardInterrupt):
        jobs.run(job.key, at=NOW)
    job.refresh_from_db()
    assert job.state == State.RUNNING
    assert list(jobs.file_of(job).parent.iterdir()) == []
    with pytest.raises(jobs.NoFile, match="not finished"):
        jobs.opened(job, at=NOW)
    monkeypatch.undo()


def test_a_job_that_is_over_is_not_written_again(numbers):
    job = done()
    with pytest.raises(Job.DoesNotExist):
        jobs.run(job.key, at=NOW)
    tasks.write(key=job.key)
    assert len(numbers) == 1


def test_more_rows_than_a_sheet_holds_fail_in_words(numbers, monkeypatch):
    monkeypatch.setattr(formats, "ROWS_OF_A_SHEET", 100)
    job = done(Format.XLSX)
    assert job.state == State.FAILED
    with pytest.raises(jobs.NoFile, match="choose CSV or Parquet"):
        jobs.opened(job, at=NOW)
    assert Notice.objects.get().kind == "export.failed"


def test_a_fault_of_ours_ends_the_job_and_reaches_the_log(numbers, monkeypatch):
    job = ask()
    monkeypatch.setattr(formats, "stream", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tasks.write(key=job.key)
    job.refresh_from_db()
    assert (job.state, "fault of ours" in job.failure) == (State.FAILED, True)


def test_after_a_day_the_file_goes_and_the_job_remembers(numbers):
    job = done()
    path = jobs.file_of(job)
    assert jobs.expire(at=NOW + jobs.KEEP - timedelta(seconds=1)) == 0
    with pytest.raises(jobs.NoFile, match="expired"):
        jobs.opened(job, at=NOW + jobs.KEEP)
    assert jobs.expire(at=NOW + jobs.KEEP) == 1
    assert not path.exists()
    job.refresh_from_db()
    assert (job.state, job.rows_done) == (State.EXPIRED, 12_000)


def test_what_a_broker_lost_is_handed_over_again_and_given_up_after_a_day(numbers, monkeypatch):
    handed = []
    monkeypatch.setattr(tasks.write, "delay", lambda **about: handed.append(about["key"]))
    now = datetime.now(UTC)
    fresh, lost, old = ask(), ask(), ask()
    for job, age in ((fresh, timedelta(0)), (lost, timedelta(minutes=6)), (old, timedelta(days=2))):
        Job.objects.filter(pk=job.pk).update(asked_at=now - age)
    tasks.tend()
    assert handed == [lost.key]
    old.refresh_from_db()
    assert old.state == State.FAILED


def test_a_link_opens_its_own_file_alone(numbers):
    one, other = done(), done()
    assert jobs.is_token_of(one, jobs.token(one))
    assert not jobs.is_token_of(other, jobs.token(one))
    assert not jobs.is_token_of(one, jobs.token(one)[:-1] + "x")
