"""The result page to take along: one HTML file that fetches nothing, and a PDF, of the look and reading on screen."""

from collections.abc import Sequence

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from experiments import paper
from experiments.models import Experiment
from experiments.page import Section
from experiments.results import Reading
from firstlight.console.pictures import Picture, inlined

WIDTH = 680  # px of a picture: a page of paper less its margins


def page(request: HttpRequest, experiment: Experiment) -> HttpResponse:
    reading = _read(request, experiment)
    context = {
        **reading.context,
        "chapters": [(section, _drawings(section)) for section in reading.context["sections"]],
        "made_at": timezone.now(),
    }
    return TemplateResponse(request, "experiments/report.html", context)


def pdf(request: HttpRequest, experiment: Experiment) -> HttpResponse:
    reading = _read(request, experiment)
    answer = HttpResponse(paper.printed(reading.context, at=timezone.now()), content_type="application/pdf")
    number = reading.look.number if reading.look else 0
    answer["Content-Disposition"] = f'attachment; filename="{experiment.key}-look-{number}.pdf"'
    return answer


def _read(request: HttpRequest, experiment: Experiment) -> Reading:
    """Of the newest look or the one asked for; without any there is nothing to report."""
    reading = Reading.of(request, experiment)
    if reading.look is None:
        raise Http404("There is no look to report on yet.")
    return reading


def _drawings(section: Section) -> Sequence[tuple[Picture, str]]:
    """(picture, its SVG as an address)."""
    return [(picture, inlined(picture, width=WIDTH)) for picture in section.pictures]
