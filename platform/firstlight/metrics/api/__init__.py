"""Metrics over HTTP: their definitions, what money was worth, and what was measured per scenario."""

from firstlight.metrics.api.metrics import Metrics
from firstlight.metrics.api.money import CurrencyRates
from firstlight.metrics.api.scenarios import ScenarioMetrics

__all__ = ["CurrencyRates", "Metrics", "ScenarioMetrics"]
