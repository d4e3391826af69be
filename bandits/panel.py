"""What the first page says about campaigns."""

from django.http import HttpRequest
from django.urls import reverse

from bandits import reading
from bandits.admin import STATUS_TONES
from bandits.models import Campaign, Status
from bandits.page import Known, Wording, leaders
from firstlight.console import words
from firstlight.console.dashboard import Entry, Panel, Step
from firstlight.console.navigation import may_see

SHOWN = 6


def panel(request: HttpRequest) -> Panel | None:
    if not may_see(request, "bandits.campaign"):
        return None
    rows = (
        Campaign.objects.exclude(status=Status.DRAFT)
        .order_by("status", "-started_at")
        .select_related("scenario")[:SHOWN]
    )
    add = reverse("admin:bandits_campaign_add") if request.user.has_perm("bandits.add_campaign") else ""
    return Panel(
        "Discovery campaigns",
        link=reverse("admin:bandits_campaign_changelist"),
        entries=[_entry(row) for row in rows],
        empty="No campaign has been started yet.",
        steps=[Step("Discover new items", "a campaign fills slots with items nobody knows yet", add, bool(rows))],
    )


def _entry(row: Campaign) -> Entry:
    posterior = row.posteriors.filter(segment="").order_by("-number").first()
    wording = Wording.of(row.reward, row.value_currency)
    known = reading.known(posterior, is_money=wording.is_money) if posterior else None
    shown = [("impressions", words.count(float(known.shown.sum())))] if known else []
    return Entry(
        row.name,
        reverse("admin:bandits_campaign_results", args=[row.pk]),
        row.status,
        STATUS_TONES[Status(row.status)],
        _sentence(known, wording) if known else "Nothing has been learned yet; workers learn every ten minutes.",
        [*shown, ("in " + row.scenario.name, "")],
    )


def _sentence(known: Known, wording: Wording) -> str:
    leader = {known.items[i] for i in known.best[:1].tolist()}
    return leaders.sentence(known, reading.names(leader), wording)
