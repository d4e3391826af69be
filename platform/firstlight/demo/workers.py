"""What the workers do with the logs: asked for through the broker, waited for in the database and the lake."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bandits.tasks import learn_running
from django.db.models import Sum
from experiments.tasks import analyse_running

from bandits.models import Campaign
from experiments.models import Experiment
from firstlight.demo import landed, shop, translation
from firstlight.demo.open_bandit import CAMPAIGNS
from firstlight.demo.progress import Advance
from firstlight.demo.waiting import until
from firstlight.events.tasks import flush
from firstlight.metrics.models import Grain, ScenarioMeasure
from firstlight.metrics.tasks import measure_scenarios


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
        self._all(self._is_analysed, "experiments analysed", analyse_running.delay, advance)

    def learn(self, advance: Advance) -> None:
        self._all(self._is_learnt, "campaigns learnt", learn_running.delay, advance)

    def _is_measured(self, campaign: str) -> bool:
        week = landed.window(self.by)
        days = ScenarioMeasure.objects.filter(
            scenario__key=campaign, grain=Grain.DAY, recall_source="", starts_at__gte=week.start, starts_at__lt=week.end
        )
        return (days.aggregate(n=Sum("impressions"))["n"] or 0) >= self.impressions

    def _is_analysed(self, campaign: str) -> bool:
        look = Experiment.objects.get(key=translation.experiment_key(campaign)).looks.first()
        return look is not None and sum(arm["units"] for arm in look.results["arms"]) >= self.impressions

    def _is_learnt(self, campaign: str) -> bool:
        posterior = Campaign.objects.get(key=translation.campaign_key(campaign)).posteriors.first()
        return posterior is not None and sum(posterior.trials) >= self.impressions

    def _all(self, done: Callable[[str], bool], what: str, ask: Callable[[], object], advance: Advance) -> None:
        self._wait(lambda: sum(map(done, CAMPAIGNS)), len(CAMPAIGNS), what, ask, advance)

    def _wait(
        self, done: Callable[[], int], total: int, what: str, ask: Callable[[], object], advance: Advance
    ) -> None:
        until(done, total, what=what, ask=ask, check=self.check, advance=advance)
