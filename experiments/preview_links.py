"""Links that show an arm to whoever has them, for a while, and the page that explains one."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from experiments.lifecycle import testers
from experiments.models import Experiment
from firstlight.serving import previews

USUAL = timedelta(days=7)


class Link(NamedTuple):
    token: str
    until: datetime
    address: str  # of the page, below this site


def make(experiment: Experiment, arm: str, at: datetime, lasting: timedelta) -> Link:
    """Raises `UnableToForce` where the experiment has no such arm to be forced."""
    testers.check(experiment, [arm])
    until = at + lasting
    token = previews.sign({experiment.key: arm}, until)
    return Link(token, until, f"{reverse('preview_link')}?{urlencode({'forced': token})}")


def page(request: HttpRequest) -> HttpResponse:
    """What the link in the address forces, and how a shop passes it on. Who has the link needs no login."""
    token = request.GET.get("forced", "")
    try:
        arms = previews.read(token, timezone.now())
    except previews.Invalid as refusal:
        return _shown(request, {"refusal": str(refusal)}, status=404)
    return _shown(request, {"arms": sorted(arms.items()), "token": token}, status=200)


def _shown(request: HttpRequest, told: dict[str, Any], *, status: int) -> HttpResponse:
    return TemplateResponse(request, "experiments/preview_link.html", told, status=status)
