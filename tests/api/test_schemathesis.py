"""Hostile and well-meant requests made from the generated schema, against the whole application with its dispatcher.

Every answer must have a status, a content type and a body that the schema declares, and none may be a fault of ours.
"""

from datetime import UTC, datetime
from hashlib import sha256

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis import checks

from bandits.models import Campaign
from experiments.models import Experiment, Layer
from firstlight.accounts import keys
from firstlight.catalog import upsert
from firstlight.catalog.models import Scenario
from firstlight.events import inbox
from firstlight.exports.models import Job
from firstlight.exports.sources import Asked
from firstlight.metrics.models import Metric
from firstlight.notices.models import Webhook
from firstlight.serving import journal
from firstlight.serving.dispatcher import Dispatcher
from firstlight.serving.journal import Journal
from firstlight.snapshots import memory
from firstlight.snapshots.sections import sections
from tests.experiments import looks

application = Dispatcher(get_wsgi_application())
schema = schemathesis.openapi.from_wsgi("/api/schema/", application)


@schemathesis.serializer("application/x-ndjson")
def ndjson(ctx, value):
    """The schema says text; hostile text it is."""
    return str(value).encode("utf-8", "surrogatepass")


CHECKS = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)


ASKED = Asked(experiment="home").stored()


@pytest.fixture
def shop(db):
    """Something of every kind, under names that requests will hit."""
    home = Scenario.objects.create(key="home", name="Home")
    layer = Layer.objects.create(key="home", name="Home")
    Metric.objects.create(key="home", name="Home", kind="mean", numerator_event="click")
    upsert.items([{"key": "sku", "merchant": "m", "category": "c"}], "ada")
    experiment = Experiment.objects.create(key="home", name="Home", layer=layer)
    experiment.scenarios.add(home)
    for position, arm in enumerate(("a", "b")):
        experiment.arms.create(key=arm, weight="0.5", position=position)
    results = looks.results(n_metrics=2, arms=2)
    experiment.looks.create(
        number=1, until=datetime.now(UTC), batch=1, verdict="end", sentence="Over.", results=results
    )
    Webhook.objects.create(key="home", name="Home", url="https://shop.example/hook", salt=b"s" * 32)
    Job.objects.create(
        key="home", kind="results", format="csv", asked_by="ada", asked_at=datetime.now(UTC), asked=ASKED
    )
    campaign = Campaign.objects.create(key="home", name="Home", scenario=home, positions=[3])
    campaign.posteriors.create(number=1, batch=1, prior_a=1, prior_b=99, items=["sku"], trials=[9], successes=[1])


@pytest.fixture
def one_connection():
    """Requests stay in the test's transaction: Django would close the connection after each."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def secret(one_connection, shop, monkeypatch):
    """A key that may do everything, and a snapshot with it in memory."""
    _, text = keys.create("hostile", ["allocate", "ingest", "read", "manage", "export"], [], "ada")
    compiled = {
        section.name: {
            name: part() if callable(part) else part for name, part in section.compile(datetime.now(UTC)).items()
        }
        for section in sections()
    }
    payloads = {sha256(part).hexdigest(): part for parts in compiled.values() for part in parts.values()}
    names = {
        section: {name: sha256(part).hexdigest() for name, part in parts.items()} for section, parts in compiled.items()
    }
    held = memory.renewed(None, 1, datetime.now(UTC), names, payloads)
    monkeypatch.setattr(memory, "current", lambda: held)
    monkeypatch.setattr(journal, "_journal", Journal(lambda rows: None))
    monkeypatch.setattr(inbox, "store", lambda rows: inbox.Stored(len(rows), 0))
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *args, **kwargs: None)
    return text


@schema.given(hits=st.booleans())
@schema.parametrize()
@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_the_schema_says(case, secret, hits):
    if hits:
        name_what_there_is(case)
    case.call_and_validate(headers={"Authorization": f"Bearer {secret}"}, checks=CHECKS)


def name_what_there_is(case):
    """Made-up names of rows, and times before there were any, would only meet a 404 or a 422."""
    case.path_parameters = dict.fromkeys(case.path_parameters or {}, "home")
    for name, value in {"look": 1, "as_of": datetime.now(UTC).isoformat()}.items():
        if name in (case.query or {}):
            case.query[name] = value
    if isinstance(case.body, dict) and case.method == "POST":
        known = {"scenario": "home", "scenarios": ["home"], "owner": None, "layer": "home", "metrics": []}
        known |= {"pool_categories": ["c"], "pool_merchants": ["m"]}
        case.body |= {field: value for field, value in known.items() if field in case.body}
