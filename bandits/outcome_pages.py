"""A person graduates or retires an item by hand, or takes a decision back; each asks once more and wants the reason."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from bandits import graduating
from bandits.models import Campaign, Outcome
from bandits.serializers_outcomes import LONGEST
from firstlight.accounts.audited import actor
from firstlight.accounts.confirmation import Step, SteppedAdmin, confirmed

if TYPE_CHECKING:
    Base = SteppedAdmin[Campaign]
else:
    Base = object


class ReasonForm(forms.Form):
    """Why, for who reads it next month."""

    reason = forms.CharField(
        label="Why",
        max_length=LONGEST,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Is kept.",
    )


class ByHandForm(ReasonForm):
    item = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget(), help_text="Its key: sku-1.")
    kind = forms.ChoiceField(label="It is", choices=Outcome.Kind.choices, widget=UnfoldAdminSelectWidget())

    field_order = ["item", "kind", "reason"]


class OutcomePages(Base):
    """Of an admin of campaigns."""

    def outcome_pages(self) -> list[URLPattern]:
        seen, name = self.admin_site.admin_view, "bandits_campaign_"
        return [
            path("<int:pk>/outcomes/add/", seen(self.decide), name=f"{name}decide"),
            path("<int:pk>/outcomes/<int:outcome>/reverse/", seen(self.take_back), name=f"{name}take_back"),
        ]

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.to_change(request, pk)
        form = ByHandForm(_sent(request), initial={"item": request.GET.get("item", "")})
        step = Step(
            question="Graduate or retire an item by hand?",
            consequence=f"It leaves the pool of “{row.name}” with the next draw table; its feed tells so.",
            button="Decide",
            done="It has left the pool.",
            act=lambda: graduating.decide_by_hand(
                row.pk,
                form.cleaned_data["item"],
                Outcome.Kind(form.cleaned_data["kind"]),
                actor=actor(request.user),
                at=timezone.now(),
                reason=form.cleaned_data["reason"],
            ),
            refusals=(graduating.UnableToDecide,),
            form=form,
        )
        return confirmed(request, row, step, back=_results(row))

    def take_back(self, request: HttpRequest, pk: int, outcome: int) -> HttpResponse:
        row = self.to_change(request, pk)
        left = row.outcomes.filter(pk=outcome).first()
        if left is None:
            raise Http404("There is no such decision.")
        form = ReasonForm(_sent(request))
        step = Step(
            question=f"Take back that “{left.item}” was {left.kind}?",
            consequence="It is in the pool again from the next draw table on. The rule needs "
            f"{row.least_impressions:,} more impressions to decide about it anew, and by a wider bar.",
            button="Take back",
            done=f"“{left.item}” is in the pool again.",
            act=lambda: graduating.reverse(
                left.pk, actor=actor(request.user), at=timezone.now(), reason=form.cleaned_data["reason"]
            ),
            refusals=(graduating.UnableToReverse,),
            stops=True,
            form=form,
        )
        return confirmed(request, row, step, back=_results(row))


def _sent(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _results(row: Campaign) -> str:
    return reverse("admin:bandits_campaign_results", args=[row.pk]) + "#outcomes"
