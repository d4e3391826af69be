"""Where a campaign is played through before it starts: what to compare, how far it is, what was found."""

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from bandits import simulating
from bandits.models import Campaign, Simulation
from bandits.page import simulation as shapes
from bandits.serializers_simulation import MOST_DAYS, MOST_TIMES, PLAYABLE
from firstlight.accounts.audited import actor
from firstlight.accounts.confirmation import SteppedAdmin
from firstlight.console.pictures import exported
from firstlight.console.sections import Section


class AskedForm(forms.Form):
    """The plan, and up to two settings beside it."""

    days = forms.IntegerField(min_value=1, max_value=MOST_DAYS, initial=14, widget=UnfoldAdminIntegerFieldWidget)
    repetitions = forms.IntegerField(
        min_value=2, max_value=MOST_TIMES, initial=10, widget=UnfoldAdminIntegerFieldWidget
    )
    requests_a_day = forms.FloatField(
        min_value=1,
        max_value=1e9,
        required=False,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Empty: as many as the scenario had lately.",
    )

    @property
    def asked(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if value is not None} | {"drift": DRIFT}


class SettingForm(forms.Form):
    """One setting beside the plan; what stays empty is as planned, and all empty is none."""

    name = forms.CharField(max_length=60, required=False, widget=UnfoldAdminTextInputWidget)
    policy = forms.ChoiceField(choices=[("", "as planned"), *PLAYABLE], required=False, widget=UnfoldAdminSelectWidget)
    floor = forms.FloatField(min_value=0, max_value=1, required=False, widget=UnfoldAdminDecimalFieldWidget)
    prior_strength_cap = forms.IntegerField(
        min_value=10, max_value=2_000, required=False, widget=UnfoldAdminIntegerFieldWidget
    )
    graduate_at = forms.FloatField(min_value=0.5, max_value=1, required=False, widget=UnfoldAdminDecimalFieldWidget)

    def clean(self) -> dict[str, Any]:
        given = {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        if given and "name" not in given:
            self.add_error("name", "Give it a name.")
        if given.get("name") == simulating.PLAN["name"]:
            self.add_error("name", "That is what the plan itself is called.")
        return given


DRIFT = 0.05  # of a day, in the log of a rate
Settings = forms.formset_factory(SettingForm, extra=0, min_num=2, max_num=2, absolute_max=2)
BESIDE = [{"name": "Uniform", "policy": "uniform"}, {}]


class SimulationPages(SteppedAdmin[Campaign]):
    def simulation_pages(self) -> list[URLPattern]:
        at = self.page_of
        return [
            at("simulate/", self.simulate, "simulate"),
            at("simulate/newest/", self.newest_simulation, "simulation"),
            at("simulate/<slug:picture>.<slug:form>", self.simulation_picture, "simulation_picture"),
        ]

    def simulate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET shows the newest, POST asks for another."""
        row = self.to_change(request, pk) if request.method == "POST" else self.to_see(request, pk)
        given = request.POST if request.method == "POST" else None
        form, settings = AskedForm(given), Settings(given, initial=None if given else BESIDE, prefix="beside")
        if given and form.is_valid() and settings.is_valid():
            ask(row, form, [one.cleaned_data for one in settings], actor(request.user))
            return HttpResponseRedirect(self.address(row, "simulate"))
        return self._page(request, row, form, settings, status=422 if given else 200)

    def newest_simulation(self, request: HttpRequest, pk: int) -> JsonResponse:
        return JsonResponse(progress(newest(self.to_see(request, pk))))

    def simulation_picture(self, request: HttpRequest, pk: int, picture: str, form: str) -> HttpResponse:
        row = self.to_see(request, pk)
        return exported(section(newest(row)).pictures, picture, form, name=f"{row.key}-simulation")

    def _page(self, request: HttpRequest, row: Campaign, form: Any, settings: Any, *, status: int) -> HttpResponse:
        last = newest(row)
        shown = section(last)
        context = {
            **admin.site.each_context(request),
            "title": f"Play “{row.name}” through",
            "opts": self.opts,
            "object": row,
            "campaign": row,
            "simulation": last,
            "section": shown,
            "shown": replace(shown, sentence=""),  # it stands above already
            "pictures": shown.pictures,
            "form": form,
            "settings": settings,
            "export": self.address(row, "simulate"),
            "may_change": self.has_change_permission(request, row),
        }
        return TemplateResponse(request, "bandits/simulate.html", context, status=status)


def ask(row: Campaign, form: AskedForm, beside: list[dict[str, Any]], by: str) -> None:
    from bandits import tasks  # brings the engine along, which no other page needs

    asked = {**form.asked, "settings": [simulating.PLAN, *(one for one in beside if one)]}
    made = simulating.ask(row, asked, actor=by)
    # robust: the row stands, and says that it waits, also when the broker is away
    transaction.on_commit(lambda: tasks.simulate.delay(simulation_id=made.pk), robust=True)


def newest(row: Campaign) -> Simulation | None:
    return row.simulations.first()


def section(simulation: Simulation | None) -> Section:
    return shapes.section(simulation.results if simulation else None)


def progress(simulation: Simulation | None) -> dict[str, Any]:
    """What a page asks every two seconds, in the words that the console's script knows."""
    if simulation is None:
        return {}
    states = Simulation.State
    done = simulation.state in (states.DONE, states.FAILED)
    number = simulation.pk if simulation.state == states.DONE else 0
    told = {"stage": simulation.state, "share": simulation.progress, "finished": done}
    return {"number": number, "failure": simulation.why, **told}
