"""Thousands of decisions, logged into the lake and decided again, with everything on that the platform has."""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from bandits import lifecycle
from bandits.models import Campaign
from experiments.models import Arm, Experiment, Layer, Prerequisite, SavedGroup, Status
from firstlight.catalog.models import Category, Item, Merchant, Scenario
from firstlight.events import flush, packs, traces
from firstlight.kernel.windows import Window
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.lake import table
from firstlight.objectives.models import Weights
from firstlight.serving import allocations, decisions, previews, questions, replaying
from firstlight.serving.replaying import Difference, Replay
from firstlight.snapshots import memory, publication
from firstlight.snapshots.memory import Held
from firstlight.snapshots.models import Part, Version

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)
N = 1_000  # decisions of a snapshot
DAY = Window(NOW - timedelta(days=1), NOW + timedelta(days=1))


@dataclass
class Shop:
    """Decides by what is published, and logs into the lake."""

    rng: random.Random = field(default_factory=lambda: random.Random(5))
    batch: int = 0
    kept: dict[str, Any] = field(default_factory=dict)  # sticky documents by unit

    def held(self) -> Held:
        version = Version.objects.get(number=publication.publish())
        payloads = {digest: bytes(payload) for digest, payload in Part.objects.values_list("digest", "payload")}
        return memory.renewed(None, version.number, version.created_at, version.parts, payloads)

    def log(self, n: int) -> None:
        held = self.held()
        kept = [self.decided(held, self.body()) for _ in range(n)]
        pack = packs.pack(kept)
        self.batch += 1
        lines = b"\n".join(packs.lines(pack.event_id, pack.packed))
        table.append(self.batch, flush.columns(lines, self.batch))

    def decided(self, held: Held, body: dict[str, Any]) -> packs.Decided:
        at = NOW + timedelta(microseconds=self.rng.randrange(10**9))
        request, said = questions.parse(msgspec.json.encode(body), at)
        answer = allocations.decide(held, request)
        if "sticky" in answer:
            self.kept[str(body["unit"])] = answer["sticky"]
        asked = decisions.decided(held, request, said, answer, decisions.encoded(answer))
        return decisions.kept(decisions.completed(asked))

    def body(self) -> dict[str, Any]:
        rng = self.rng
        more = {
            "attributes": {"country": rng.choice(["IN", "BR", "Çin"]), "age": rng.random() * 60},
            "recent": [
                {"event": rng.choice(["view", "click", "cart"]), "item_id": f"sku-{rng.randrange(40):02}",
                 "at": (NOW - timedelta(minutes=rng.randrange(90))).isoformat()}
                for _ in range(rng.randrange(6))
            ],
            "slots": rng.randrange(1, 8),
            "exclude_items": [f"sku-{rng.randrange(40):02}" for _ in range(rng.randrange(9))],
            "eligible": rng.choice([{"category": ["dress"]}, {"tags": ["new"], "country": ["IN"]}, {"tags": []}]),
            "propensities": rng.random() < 0.5,
        }  # fmt: skip
        unit = {"user_id": f"u-{rng.randrange(3_000)}", "device_id": f"d-{rng.randrange(3_000)}"}
        who = {name: unit[name] for name in rng.choice([["user_id"], ["device_id"], ["user_id", "device_id"]])}
        more |= {"sticky": self.kept.get(str(who), {}), "forced": self.token}
        return {
            "unit": who,
            "scenario": rng.choice(["home", "search"]),
            **{name: value for name, value in more.items() if rng.random() < 0.5},
        }

    @property
    def token(self) -> str:
        return previews.sign({"plain": "treated", "sticking": "control"}, NOW + timedelta(days=1))

    def replayed(self) -> list[tuple[str, Replay | Withheld]]:
        return list(replaying.replays(traces.sample(DAY, 10_000)))


@pytest.fixture
def shop(settings: Any, tmp_path: Any) -> Iterator[Shop]:
    """Experiments of every kind, two campaigns that share a page, weights by stage."""
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    settings.AFTER_CHANGE = "tests.browser.conftest.nothing"
    places = [Scenario.objects.create(key=key, name=key) for key in ("home", "search")]
    merchants = [Merchant.objects.create(key=f"m-{i}") for i in range(4)]
    kinds = [Category.objects.create(key=key) for key in ("dress", "shoe")]
    for i in range(40):
        item = {"merchant": merchants[i % 4], "category": kinds[i % 2], "country": ("IN", "CN")[i % 3 == 0]}
        Item.objects.create(key=f"sku-{i:02}", tags=["new"] if i % 3 else [], **item)
    layer = Layer.objects.create(key="ranking", name="Ranking")
    experiment("plain", places, parameters={"ranker": "din", "quota": 1.5})
    experiment("aimed", places, targeting={"$or": [{"country": "IN"}, {"age": {"$gt": 30.5}}]}, unit="device_id")
    experiment("left", places, layer=layer, end_bucket=4_000, coverage=Decimal("0.6"))
    experiment("right", places, layer=layer, first_bucket=4_000, phase=3)
    experiment("turned", places, type="switchback", switch_hours=1)
    experiment("mixed", places, type="interleaving")
    experiment("weighed", places[:1], objective_weights={"user": 0.5, "merchant": 0.3, "platform": 0.2})
    experiment("kept-out", places, type="holdout", coverage=Decimal("0.1"))
    campaign(
        "a-new", places[0], positions=[3, 5, 8], merchant_cap=1, floor="0.3", control_share="0.2", uniform_share="0.2"
    )
    campaign("b-new", places[0], positions=[1, 2, 9], floor="0.05", segment_by="country", segments=["IN"])
    experiment("sticking", places, sticky=True, fallback="device_id")
    SavedGroup.objects.create(key="friends", name="Friends", values=[f"u-{i}" for i in range(0, 3_000, 2)])
    experiment("grouped", places, targeting={"user_id": {"$inGroup": "friends"}}, testers={"u-7": "treated"})
    experiment("after", places)
    of = {row.key: row for row in Experiment.objects.all()}
    Prerequisite.objects.create(experiment=of["after"], required=of["plain"], arms=["treated"])
    campaign("c-new", places[1], positions=[2, 4], floor="1")
    for version, stage in enumerate(("", "browsing"), start=1):
        weights = {"user": "0.7", "merchant": "0.1", "platform": "0.2"}
        Weights.objects.create(scenario=places[0], stage=stage, version=version, **weights)
    yield Shop()


def experiment(
    key: str, places: list[Scenario], *, parameters: Any = None, objective_weights: Any = None, **more: Any
) -> None:
    row = Experiment.objects.create(key=key, name=key, status=Status.RUNNING, started_at=timezone.now(), **more)
    row.scenarios.set(places)
    for position, arm in enumerate(("control", "treated")):
        given = {
            "parameters": parameters or {f"{key}.arm": arm},
            "objective_weights": objective_weights if position else None,
        }
        Arm.objects.create(experiment=row, position=position, key=arm, weight=Decimal("0.5"), **given)


def campaign(key: str, place: Scenario, **more: Any) -> None:
    row = Campaign.objects.create(
        key=key, name=key, scenario=place, **({"control_share": "0", "uniform_share": "0"} | more)
    )
    lifecycle.start(row.pk, actor="anna", at=timezone.now())


def test_every_decision_comes_out_again_also_after_experiments_and_campaigns_changed(shop: Shop) -> None:
    shop.log(N)
    Experiment.objects.filter(key="plain").update(phase=2)
    Arm.objects.filter(experiment__key="left", key="treated").update(weight="0.9")
    Arm.objects.filter(experiment__key="left", key="control").update(weight="0.1")
    Campaign.objects.filter(key="a-new").update(floor="0.9", merchant_cap=None)
    shop.log(N)
    Experiment.objects.filter(key="aimed").update(status=Status.STOPPED)
    Item.objects.filter(key__lt="sku-20").update(tags=[], country="BR")
    Weights.objects.create(
        scenario=Scenario.objects.get(key="home"), stage="", version=3, user="0.2", merchant="0.4", platform="0.4"
    )
    lifecycle.stop(Campaign.objects.get(key="c-new").pk, actor="anna", at=timezone.now())
    shop.log(N)

    told = traces.sample(DAY, 10_000)
    assert len(told) == 3 * N
    assert len({decision["snapshot"] for _, decision in told}) == 3
    assert {slot["source"] for _, decision in told for slot in decision.get("discovery", ())} >= {"table", "floor"}
    assert {one["experiment"] for _, d in told for one in d["assignments"]} >= {
        "plain", "aimed", "left", "right", "turned", "weighed", "campaign:a-new", "kept-out",
        "sticking", "after",
    }  # fmt: skip
    assert {d["properties"]["objectives"]["source"] for _, d in told} >= {"default", "scenario", "experiment:weighed"}
    assert any(decision["properties"].get("forced_arms") for _, decision in told)
    assert any(decision["properties"].get("sticky") for _, decision in told)
    found = list(replaying.replays(told))
    assert {trace for trace, _ in found} == {trace for trace, _ in told}
    assert [(t, r) for t, r in found if not (isinstance(r, Replay) and r.verdict == "same" and not r.uncounted)] == []


def tampered(decision: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = msgspec.json.decode(msgspec.json.encode(decision))
    at = changed
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    return dict(changed)


TAMPERINGS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "/discovery/0/item_id": (("discovery", 0, "item_id"), "sku-99"),
    "/discovery/0/propensity": (("discovery", 0, "propensity"), 0.123456789),
    "/discovery/0/row": (("discovery", 0, "row"), 1_025),
    "/assignments/0/variant": (("assignments", 0, "variant"), "another"),
    "/parameters/ranker": (("properties", "parameters", "ranker"), "dnn"),
    "/parameters/quota": (("properties", "parameters", "quota"), 1.5000000000000002),
    "/objectives/weights/user": (("properties", "objectives", "weights", "user"), 0.99),
    "/journey_stage": (("properties", "journey_stage"), "paying"),
}


@pytest.mark.parametrize("pointer", TAMPERINGS)
def test_a_row_that_was_tampered_with_is_found_out(shop: Shop, pointer: str) -> None:
    shop.log(40)
    place, value = TAMPERINGS[pointer]
    trace, decision = next(
        (t, d) for t, d in traces.sample(DAY, 40) if d.get("discovery") and "ranker" in d["properties"]["parameters"]
    )
    found = replaying.replay(trace, tampered(decision, place, value))
    assert isinstance(found, Replay)
    assert found.verdict == "differs"
    (difference,) = found.differences
    assert (difference.pointer, difference.logged) == (pointer, value)
    assert difference.replayed is not None


def test_another_question_gives_another_answer(shop: Shop) -> None:
    shop.log(60)
    told = [(t, d) for t, d in traces.sample(DAY, 60) if d.get("discovery")]
    assert any(
        isinstance(r, Replay) and r.differences
        for t, d in told
        for r in [replaying.replay(t, tampered(d, ("user_id",), "somebody else"))]
    )
    assert any(isinstance(r, Replay) and r.differences for t, d in told for r in [replaying.replay(f"{t}x", d)])


def test_a_propensity_that_was_left_open_is_no_difference_and_is_counted(shop: Shop) -> None:
    shop.log(40)
    trace, decision = next((t, d) for t, d in traces.sample(DAY, 40) if len(d.get("discovery", ())) > 1)
    found = replaying.replay(trace, tampered(decision, ("discovery", 1, "propensity"), None))
    assert isinstance(found, Replay)
    assert (found.verdict, found.uncounted) == ("same", 1)


def test_without_its_snapshot_a_decision_is_withheld(shop: Shop) -> None:
    shop.log(5)
    (trace, decision), *_ = traces.sample(DAY, 1)
    shelf = replaying.Shelf()
    payload = Part.objects.get(digest=next(iter(Version.objects.get().parts["experiments"].values())))
    Part.objects.filter(pk=payload.pk).update(payload=b"another")
    assert replaying.replay(trace, decision, shelf) == Withheld(Reason.DAMAGED_SNAPSHOT)
    Part.objects.filter(pk=payload.pk).delete()
    assert replaying.replay(trace, decision, shelf) == Withheld(Reason.DAMAGED_SNAPSHOT)
    Version.objects.all().delete()
    assert replaying.replay(trace, decision, shelf) == Withheld(Reason.NO_SNAPSHOT)
    assert replaying.replay(trace, decision | {"snapshot": None}, shelf) == Withheld(Reason.NO_SNAPSHOT)


def test_what_is_no_question_is_withheld(shop: Shop) -> None:
    shop.log(5)
    (trace, decision), *_ = traces.sample(DAY, 1)
    nobody = {name: value for name, value in decision.items() if name not in ("user_id", "device_id")}
    assert replaying.replay(trace, nobody) == Withheld(Reason.NO_QUESTION)


def test_a_sample_is_the_same_whenever_it_is_drawn_and_as_large_as_asked(shop: Shop) -> None:
    shop.log(200)
    first, again = traces.sample(DAY, 50), traces.sample(DAY, 50)
    assert [trace for trace, _ in first] == [trace for trace, _ in again]
    assert len({trace for trace, _ in first}) == 50
    assert all(d["scenario"] == "search" for _, d in traces.sample(DAY, 50, scenario="search"))


@pytest.mark.parametrize(("logged", "replayed"), [(1, 1.0), (0.1, 0.1 + 2**-56), (True, 1), ("1", 1), ([], None)])
def test_what_looks_alike_is_not_the_same(logged: Any, replayed: Any) -> None:
    found = list(replaying._differences("", {"a/b": [logged]}, {"a/b": [replayed]}))
    assert found == [Difference("/a~1b/0", logged, replayed)]


def test_the_command_says_how_many_came_out_and_fails_when_one_did_not(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.log(30)
    asked = ("replay_decisions", f"--day={NOW.date()}", "--sample=20")
    told = io.StringIO()
    call_command(*asked, stdout=told)
    assert told.getvalue() == f"20 of 20 decisions of {NOW.date()} came out again, bit for bit.\n"
    drawn = traces.sample(DAY, 20)
    wrong = [(drawn[0][0], tampered(drawn[0][1], ("properties", "journey_stage"), "bought")), *drawn[1:]]
    monkeypatch.setattr(traces, "sample", lambda *_, **__: wrong)
    told = io.StringIO()
    with pytest.raises(CommandError, match="1 of 20 decisions came out otherwise"):
        call_command(*asked, stdout=told)
    assert f"{drawn[0][0]}: /journey_stage is logged as 'bought', and came out as" in told.getvalue()
    Version.objects.all().delete()
    told = io.StringIO()
    call_command(*asked, stdout=told)
    assert "20 were not replayed: the snapshot that decided is not kept any more." in told.getvalue()
