"""The panel that says whether events arrive and serving knows the present state, and the first steps of a new shop."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from firstlight.accounts.models import ApiKey
from firstlight.catalog.models import Item, Scenario
from firstlight.console import words
from firstlight.console.dashboard import Panel, Step
from firstlight.console.navigation import may_see
from firstlight.lake.models import Batch
from firstlight.snapshots.models import Version


def panel(request: HttpRequest) -> Panel:
    return Panel("Pipeline", figures=_figures(request), steps=_steps(request))


def _figures(request: HttpRequest) -> list[tuple[str, str, str]]:
    now, figures = timezone.now(), []
    if may_see(request, "lake.batch"):
        batch = Batch.objects.filter(committed_at__isnull=False).first()
        size = words.plural(batch.n_events or 0, "event") if batch else "no event has arrived"
        figures.append(("Last events in the lake", words.ago(batch.committed_at if batch else None, now), size))
    if may_see(request, "snapshots.version"):
        version = Version.objects.first()
        number = f"snapshot {version.number}" if version else "nothing is published"
        figures.append(("Last change published", words.ago(version.created_at if version else None, now), number))
    if may_see(request, "catalog.item"):
        figures.append(("Items", words.count(Item.objects.count()), words.plural(Scenario.objects.count(), "scenario")))
    return figures


def _steps(request: HttpRequest) -> list[Step]:
    return [
        Step(
            "Create a scenario",
            "a place where items are shown: home feed, search",
            _add(request, "catalog_scenario"),
            Scenario.objects.exists(),
        ),
        Step(
            "Make an API key",
            "the recommender asks and reports with it",
            _add(request, "accounts_apikey"),
            ApiKey.objects.exists(),
        ),
        Step(
            "Send events",
            "impressions, clicks and orders, by POST /api/v1/events",
            "",
            Batch.objects.filter(n_events__gt=0).exists(),
        ),
    ]


def _add(request: HttpRequest, name: str) -> str:
    app, model = name.split("_")
    return reverse(f"admin:{name}_add") if request.user.has_perm(f"{app}.add_{model}") else ""
