"""Where a campaign is asked what other policies would have earned: read from the lake when the page is opened."""

from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone

from bandits.models import Campaign
from bandits.page import Section, Wording
from bandits.page import evaluation as shapes
from firstlight.accounts.confirmation import SteppedAdmin
from firstlight.console.pictures import exported


class EvaluationPages(SteppedAdmin[Campaign]):
    """Of an admin of campaigns."""

    def evaluation_pages(self) -> list[URLPattern]:
        at = self.page_of
        return [
            at("evaluation/", self.evaluation, "evaluation"),
            at("evaluation/<slug:picture>.<slug:form>", self.evaluation_picture, "evaluation_picture"),
        ]

    def evaluation(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.to_see(request, pk)
        found = section(row)
        context = {
            **admin.site.each_context(request),
            "title": f"{found.title}: “{row.name}”",
            "opts": self.opts,
            "object": row,
            "campaign": row,
            "section": found,
            "shown": replace(found, sentence=""),  # it stands above already
            "pictures": found.pictures,
            "export": self.address(row, "evaluation"),
        }
        return TemplateResponse(request, "bandits/evaluation.html", context)

    def evaluation_picture(self, request: HttpRequest, pk: int, picture: str, form: str) -> HttpResponse:
        row = self.to_see(request, pk)
        return exported(section(row).pictures, picture, form, name=f"{row.key}-evaluation")


def section(campaign: Campaign) -> Section:
    from bandits import valued  # brings the engine along, which no other page needs
    from bandits.serializers_evaluation import ValuedSerializer

    found: Any = valued.values(campaign, at=timezone.now())
    told: Any = ValuedSerializer(found, many=True).data
    return shapes.section(told, Wording.of(campaign.reward, campaign.value_currency))
