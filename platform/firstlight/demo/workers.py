"""What the workers do with the logs: asked for through the broker, waited for in the database and the lake."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from django.db.models import Sum

from bandits.models import Campaign
from bandits.tasks import learn_running
from experiments.models import Experiment
from experiments.tasks import analyse_running
from firstlight.demo import client, landed, translation
from firstlight.demo.open_bandit import ARMS, CAMPAIGNS
from firstlight.demo.progress import Advance
from firstlight.demo.trials import SAME, TRIALS
from firstlight.demo.waiting import until
from firstlight.events.tasks import flush
from firstlight.metrics.models import Grain, ScenarioMeasure
from firstlight.metrics.tasks import measure_scenarios
from firstlight.snapshots.tasks import publish

VISITOR = {"session_id": "a-visitor"}  # who asks for the live answers


@dataclass(frozen=True, slots=True)
class Workers:
    check: Callable[[], None]  # raises when a service has died
    by: timedelta  # how far the logs are moved
    impressions: int  # of one campaign

    def flush(self, total: int, advance: Advance) -> None:
        self._wait(lambda: landed.count(self.by), total, "events in the lake", flush.delay, advance)

    def measure(self, advance: Advance) -> None:
        self._all(self._is_measured, "scenarios measured", measure_scenarios.delay, advance)

    def analyse(self, advance: Advance) -> None:
        self._all(self._is_analysed, "experiments analysed", analyse_running.delay, advance, [t.key for t in TRIALS])

    def learn(self, advance: Advance) -> None:
        self._all(self._is_learnt, "campaigns learnt", learn_running.delay, advance)

    def answer(self, api: httpx.Client, campaign: str) -> dict[str, Any]:
        """A live answer that is drawn from the newest table; web processes learn of one within seconds."""
        newest = Campaign.objects.get(key=translation.campaign_key(campaign)).tables.latest().pk
        found: dict[str, Any] = {}

        def is_newest() -> int:
            found.update(client.allocate(api, campaign, VISITOR))
            tables = [slot["table"] for slot in found["discovery"]]
            return int(bool(tables) and min(tables) >= newest)

        self._wait(is_newest, 1, "answers from the newest table", publish.delay, lambda _: None)
        return found

    def _is_measured(self, campaign: str) -> bool:
        week = landed.window(self.by)
        days = ScenarioMeasure.objects.filter(
            scenario__key=campaign, grain=Grain.DAY, recall_source="", starts_at__gte=week.start, starts_at__lt=week.end
        )
        return (days.aggregate(n=Sum("impressions"))["n"] or 0) >= self.impressions

    def _is_analysed(self, experiment: str) -> bool:
        look = Experiment.objects.get(key=experiment).looks.first()
        units = sum(arm["units"] for arm in look.results["arms"]) if look else 0
        return units >= (self.impressions // len(ARMS) if experiment == SAME else self.impressions)

    def _is_learnt(self, campaign: str) -> bool:
        posterior = Campaign.objects.get(key=translation.campaign_key(campaign)).posteriors.first()
        return posterior is not None and sum(posterior.trials) >= self.impressions

    def _all(
        self,
        done: Callable[[str], bool],
        what: str,
        ask: Callable[[], object],
        advance: Advance,
        of: Sequence[str] = CAMPAIGNS,
    ) -> None:
        self._wait(lambda: sum(map(done, of)), len(of), what, ask, advance)

    def _wait(
        self, done: Callable[[], int], total: int, what: str, ask: Callable[[], object], advance: Advance
    ) -> None:
        until(done, total, what=what, ask=ask, check=self.check, advance=advance)
