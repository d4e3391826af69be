"""Where the results of an experiment are read, talked about, printed and asked for anew."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern
from django.utils import timezone

from experiments import comments, progress, report, results
from experiments.models import Experiment
from firstlight.accounts.audited import actor
from firstlight.accounts.confirmation import SteppedAdmin

NOT_ALLOWED = {"Allow": "POST"}


class ResultPages(SteppedAdmin[Experiment]):
    def result_pages(self) -> list[URLPattern]:
        at = self.page_of
        return [
            at("analyse/", self.analyse, "analyse"),
            at("redraw/", self.redraw, "redraw"),
            at("results/", self.results, "results"),
            at("results/newest/", self.newest, "newest"),
            at("results/comment/", self.comment, "comment"),
            at("results/<slug:picture>.<slug:form>", self.picture, "picture"),
            at("report/", self.report, "report"),
            at("report.pdf", self.printed, "pdf"),
        ]

    def results(self, request: HttpRequest, pk: int, **more: Any) -> HttpResponse:
        return results.page(request, self.to_see(request, pk), may_change=self.has_change_permission(request), **more)

    def newest(self, request: HttpRequest, pk: int) -> JsonResponse:
        return JsonResponse(results.progress(self.to_see(request, pk)))

    def picture(self, request: HttpRequest, pk: int, picture: str, form: str) -> HttpResponse:
        return results.export(request, self.to_see(request, pk), picture, form)

    def report(self, request: HttpRequest, pk: int) -> HttpResponse:
        return report.page(request, self.to_see(request, pk))

    def printed(self, request: HttpRequest, pk: int) -> HttpResponse:
        return report.pdf(request, self.to_see(request, pk))

    def comment(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Whoever may comment may do so in every state: also what was decided can be talked about."""
        row = self.to_see(request, pk)
        if not request.user.has_perm("experiments.add_comment"):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponse(status=405, headers=NOT_ALLOWED)
        said = request.POST.get("text", "")
        try:
            comments.add(row, author=actor(request.user), text=said)
        except comments.UnableToComment as refusal:
            return self.results(request, pk, refusal=str(refusal), said=said)
        return HttpResponseRedirect(f"{self.address(row, 'results')}#comments")

    def analyse(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask a worker for a look; the page shows how far it has come."""
        row = self.to_change(request, pk)
        return self._handed(request, row, "analyse", experiment_id=row.pk)

    def redraw(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask a worker to check the newest look by the bootstrap."""
        row = self.to_change(request, pk)
        look = row.looks.order_by("-number").first()
        if look is None:
            raise Http404
        return self._handed(request, row, "redraw", look_id=look.pk)

    def _handed(self, request: HttpRequest, row: Experiment, task: str, **about: Any) -> HttpResponse:
        from experiments import tasks  # brings the engine along, which no other page needs

        if request.method != "POST":
            return HttpResponse(status=405, headers=NOT_ALLOWED)
        handed, before = getattr(tasks, task), results.made(row)
        try:
            handed.delay(**about)
        except handed.OperationalError:
            messages.error(
                request, "The queue of the workers does not answer. Nothing was asked for; try again in a minute."
            )
            return HttpResponseRedirect(self.address(row, "results"))
        progress.ask(row, at=timezone.now())
        return HttpResponseRedirect(f"{self.address(row, 'results')}?after={before}")
