"""Items leave the pool once, with the evidence, and come back when a person says why."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scipy.stats import beta as beta_law

from bandits import graduating, ledgers, weighing
from bandits.models import Campaign, Outcome, Posterior, Status
from firstlight.accounts.models import AuditEntry, User
from firstlight.catalog.models import Category, Item, Scenario
from firstlight.notices.models import Delivery, Notice, Webhook
from firstlight.postgres import locks
from tests.bandits.ledger_rows import Cell, counts

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAST = AT - timedelta(days=3)
NEW = {"good": (1000, 60), "fair": (1000, 30), "poor": (1000, 8), "young": (50, 9)}  # impressions, clicks
OLD = {f"old-{i}": (5000, 150) for i in range(6)}  # 3 %

Rows = Callable[[Iterable[Cell]], None]


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Rows:
    """What the ledger holds, from then on."""
    held: list[Cell] = []
    monkeypatch.setattr(ledgers, "of", lambda campaign: None)
    monkeypatch.setattr(ledgers, "read", lambda ledger, since: counts(held))
    return held.extend


@pytest.fixture
def campaign(ledger: Rows) -> Campaign:
    """Runs since ten days; four new items of it, six old ones of the scenario."""
    scenario = Scenario.objects.create(key="home", name="Home")
    dress = Category.objects.create(key="dress")
    for key in (*NEW, *OLD):
        Item.objects.create(key=key, category=dress, tags=["new"] if key in NEW else [])
    row = Campaign.objects.create(
        key="spring",
        name="Spring",
        scenario=scenario,
        positions=[3],
        pool_tags=["new"],
        status=Status.RUNNING,
        started_at=AT - timedelta(days=10),
        owner=User.objects.create(username="pm", email="pm@example.org"),
    )
    ledger(cells())
    learned(row)
    return row


def cells() -> list[Cell]:
    """What the scenario showed: the new items by the campaign, the old ones by nobody's."""
    ours = [Cell(item, PAST, n, x, campaign="spring") for item, (n, x) in NEW.items()]
    return [*ours, *(Cell(item, PAST, n, x) for item, (n, x) in OLD.items())]


def learned(campaign: Campaign, **counted: tuple[int, int]) -> Posterior:
    """The next posterior, of Beta(1, 49) and these counts."""
    seen = {**NEW, **counted}
    number = campaign.posteriors.count() + 1
    items = sorted(seen)
    trials, successes = zip(*(seen[item] for item in items), strict=True)
    return Posterior.objects.create(
        campaign=campaign,
        number=number,
        batch=number,
        prior_a=1,
        prior_b=49,
        items=items,
        trials=list(trials),
        successes=list(successes),
    )


def decided(campaign: Campaign, at: datetime = AT) -> dict[str, str]:
    return {row.item: row.kind for row in graduating.graduate(campaign.pk, at=at)}


def hand(campaign: Campaign, item: str, kind: str = "retired", reason: str = "It is counterfeit.") -> Outcome:
    return graduating.decide_by_hand(campaign.pk, item, Outcome.Kind(kind), actor="pm", at=AT, reason=reason)


def reverse(outcome: Outcome, reason: str = "The photo was wrong.", at: datetime = AT) -> Outcome:
    return graduating.reverse(outcome.pk, actor="pm", at=at, reason=reason)


def test_good_items_graduate_poor_ones_are_retired_and_the_rest_stays(campaign: Campaign) -> None:
    assert decided(campaign) == {"good": "graduated", "poor": "retired"}


def test_each_decision_is_stored_with_what_it_stands_on(campaign: Campaign) -> None:
    decided(campaign)
    told = Outcome.objects.get(item="good").evidence
    assert told["bar"] == pytest.approx(0.03)
    assert told["bar_from"] == "median of 6 incumbents of its category"
    assert told["chance"] == pytest.approx(beta_law.sf(0.03, 61, 989), rel=1e-9)
    assert told["low"] == pytest.approx(beta_law.ppf(0.025, 61, 989))
    assert (told["posterior"], told["impressions"], told["rewards"], told["age_hours"]) == (1, 1000, 60, 72)


def test_deciding_again_decides_nothing_new(campaign: Campaign) -> None:
    decided(campaign)
    assert decided(campaign) == decided(campaign, AT + timedelta(days=1)) == {}
    assert (Outcome.objects.count(), Notice.objects.count()) == (2, 2)


def test_many_items_are_one_audit_entry_and_one_notice_a_kind(campaign: Campaign, ledger: Rows) -> None:
    more = {f"more-{i:03}": (1000, 60) for i in range(100)}
    Item.objects.bulk_create(Item(key=key, tags=["new"]) for key in more)
    ledger(Cell(item, PAST, n, x, campaign="spring") for item, (n, x) in more.items())
    learned(campaign, **more)
    decided(campaign)
    assert sorted(AuditEntry.objects.values_list("action", "actor")) == [("graduated", "worker"), ("retired", "worker")]
    notice = Notice.objects.get(kind="campaign.graduated")
    assert notice.sentence.startswith("“Spring”: 101 items graduated: good, more-000")
    assert notice.sentence.endswith("and 96 more.")
    assert len(notice.evidence["items"]) == 101 and notice.deliveries.count() == 1  # to the owner


def test_a_webhook_that_wants_to_know_is_told_and_another_is_not(campaign: Campaign) -> None:
    for key, kinds in (("follows", ["campaign.graduated"]), ("else", ["experiment.ready"])):
        Webhook.objects.create(key=key, name=key, url="https://example.org/", kinds=kinds, salt=b"s" * 32)
    decided(campaign)
    told = Delivery.objects.exclude(webhook=None).select_related("webhook", "notice")
    assert [(one.webhook.key, one.notice.kind) for one in told if one.webhook] == [("follows", "campaign.graduated")]
    items = told[0].notice.evidence["items"]
    assert [(one["item"], one["impressions"]) for one in items] == [("good", 1000)]


def test_without_incumbents_nothing_is_decided(campaign: Campaign) -> None:
    Item.objects.filter(key__in=OLD).update(tags=["new"])
    assert decided(campaign) == {}
    Campaign.objects.update(bar="0.03")
    assert decided(campaign) == {"good": "graduated", "poor": "retired"}
    assert Outcome.objects.get(item="poor").evidence["bar_from"] == "set for the campaign"


def test_what_a_campaign_showed_of_an_item_does_not_make_it_an_incumbent(campaign: Campaign, ledger: Rows) -> None:
    ledger(Cell(f"their-{i}", PAST, 90_000, 30_000, campaign="summer") for i in range(50))
    decided(campaign)
    assert Outcome.objects.get(item="good").evidence["incumbents"] == 6


def test_who_was_retired_does_not_lower_the_bar(campaign: Campaign, ledger: Rows) -> None:
    ledger([Cell("poor", PAST, 5000, 1)])
    decided(campaign)
    learned(campaign, fair=(5000, 300))
    assert decided(campaign) == {"fair": "graduated"}
    assert Outcome.objects.get(item="fair").evidence["incumbents"] == 6


def test_an_item_that_was_never_shown_stays(campaign: Campaign) -> None:
    Item.objects.create(key="unseen", tags=["new"])
    learned(campaign, unseen=(0, 0))
    Campaign.objects.update(least_age_hours=0, item_cap=1_000_000)
    assert decided(campaign) == {"good": "graduated", "poor": "retired"}


@pytest.mark.parametrize("changes", [{"graduates": False}, {"status": Status.PAUSED}, {"status": Status.STOPPED}])
def test_a_campaign_that_does_not_run_or_does_not_graduate_decides_nothing(
    campaign: Campaign, changes: dict[str, Any]
) -> None:
    Campaign.objects.update(**changes)
    assert decided(campaign) == {}


def test_two_at_once_decide_once(campaign: Campaign) -> None:
    weighed = weighing.weigh(campaign, at=AT)
    assert isinstance(weighed, weighing.Weighed)
    assert len(graduating._decided(campaign, weighed, AT)) == 2
    assert graduating._decided(campaign, weighed, AT) == []


def test_who_finds_the_lock_taken_leaves(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*name: str) -> Any:
        raise locks.Busy(" ".join(name))

    monkeypatch.setattr(locks, "alone", busy)
    with pytest.raises(locks.Busy):
        decided(campaign)
    assert not Outcome.objects.exists()


def test_taking_back_is_recorded_and_told_and_taking_back_twice_is_refused_in_words(campaign: Campaign) -> None:
    decided(campaign)
    outcome = Outcome.objects.get(item="good")
    back = reverse(outcome)
    assert (back.reversed_by, back.reason, back.reversed_at) == ("pm", "The photo was wrong.", AT)
    entry = AuditEntry.objects.get(action="took back")
    assert (entry.actor, entry.changes["reason"]) == ("pm", ["", "The photo was wrong."])
    assert "“good”, graduated, was taken back" in Notice.objects.get(kind="campaign.taken_back").sentence
    with pytest.raises(graduating.UnableToReverse, match="taken back already, by pm on 20 November 2026"):
        reverse(outcome)


def test_taking_back_needs_a_reason(campaign: Campaign) -> None:
    decided(campaign)
    with pytest.raises(graduating.UnableToReverse, match="Say why"):
        reverse(Outcome.objects.get(item="good"), reason="  ")
    assert not Outcome.objects.exclude(reversed_at=None).exists()


def test_what_was_taken_back_needs_new_impressions_and_clears_a_bar_that_has_moved(
    campaign: Campaign, ledger: Rows
) -> None:
    decided(campaign)
    reverse(Outcome.objects.get(item="good"))
    learned(campaign)
    later = AT + timedelta(days=2)
    assert decided(campaign, later) == {}
    ledger([Cell("good", AT + timedelta(hours=1), 99, 5, campaign="spring")])
    learned(campaign, good=(1099, 65))
    assert decided(campaign, later) == {}
    ledger([Cell("good", AT + timedelta(hours=2), 1, 0, campaign="spring")])
    learned(campaign, good=(1100, 65))
    assert decided(campaign, later) == {"good": "graduated"}
    told = Outcome.objects.get(item="good", reversed_at=None).evidence
    assert (told["reversals"], told["bar"], told["bar_to_stay"]) == (1, pytest.approx(0.033), pytest.approx(0.03 / 1.1))


def test_a_step_that_was_weighed_before_a_person_took_back_does_not_undo_it(campaign: Campaign) -> None:
    decided(campaign)
    weighed = weighing.weigh(campaign, at=AT)
    assert isinstance(weighed, weighing.Weighed)
    reverse(Outcome.objects.get(item="good"), at=AT + timedelta(seconds=1))
    assert graduating._decided(campaign, weighed, AT) == []


def test_a_person_decides_by_hand_with_a_reason_and_what_was_known(campaign: Campaign) -> None:
    outcome = hand(campaign, "fair")
    assert (outcome.kind, outcome.decided_by, outcome.evidence["by_hand"]) == ("retired", "pm", "It is counterfeit.")
    assert outcome.evidence["impressions"] == 1000
    assert "fair" not in decided(campaign)
    assert "1 item was retired: fair" in Notice.objects.get(evidence__n_items=1, sentence__contains="fair").sentence


@pytest.mark.parametrize(
    ("item", "reason", "refusal"),
    [
        ("fair", "", "Say why"),
        ("old-1", "Because.", "“old-1” is not in the pool of “spring”"),
        ("good", "Because.", "“good” left the pool already: it was graduated on 20 November 2026"),
    ],
)
def test_by_hand_what_cannot_be_is_refused_in_words(campaign: Campaign, item: str, reason: str, refusal: str) -> None:
    decided(campaign)
    with pytest.raises(graduating.UnableToDecide, match=refusal):
        hand(campaign, item, reason=reason)


def test_nobody_leaves_a_campaign_that_has_stopped(campaign: Campaign) -> None:
    Campaign.objects.update(status=Status.STOPPED)
    with pytest.raises(graduating.UnableToDecide, match="“spring” is stopped"):
        hand(campaign, "fair")
