"""What other policies would have earned, on the wire."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bandits.policies.estimators import NAMES
from bandits.policies.slates import KINDS, Slated
from bandits.valued import Valued
from firstlight.kernel.withheld import Withheld
from firstlight.stats.estimates import Estimate


class EstimateSerializer(serializers.Serializer[Any]):
    """Reward per choice, with the interval of SNIPS and how far the log can tell (ESS, mean weight 1 if sound)."""

    ips = serializers.FloatField()
    snips = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    logged = serializers.FloatField()
    ess = serializers.FloatField(source="overlap.ess")
    mean_weight = serializers.FloatField(source="overlap.mean_weight")
    max_weight = serializers.FloatField(source="overlap.max_weight")
    is_trusted = serializers.BooleanField(source="overlap.is_trusted")


class EstimatorSerializer(serializers.Serializer[Any]):
    """Reward per choice by one estimator, 95 % interval by resampled units; `withheld` says why there is none."""

    name = serializers.CharField(help_text="ips, snips, dm, dr, sndr, switch_dr, dros, aw_aipw or naive_mean (biased).")
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    withheld = serializers.CharField(allow_null=True)


class SlateSerializer(serializers.Serializer[Any]):
    """Reward per page by one kind of weights: independent (IIPS), cascade (RIPS) or full."""

    kind = serializers.CharField()
    n_pages = serializers.IntegerField()
    logged = serializers.FloatField(allow_null=True, help_text="Per page, as it was.")
    ess = serializers.FloatField(allow_null=True, help_text="Of the slot where it is least.")
    mean_weight = serializers.FloatField(allow_null=True)
    max_weight = serializers.FloatField(allow_null=True)
    estimators = EstimatorSerializer(many=True, help_text="ips and its self-normalised form snips.")


class OverlapSerializer(serializers.Serializer[Any]):
    """How far the log can tell."""

    n = serializers.IntegerField()
    ess = serializers.FloatField()
    mean_weight = serializers.FloatField(help_text="As `supported`, within three of its errors, if all is sound.")
    mean_weight_error = serializers.FloatField(allow_null=True)
    max_weight = serializers.FloatField()
    supported = serializers.FloatField(help_text="Share of what the policy shows that the log could have shown.")
    is_trusted = serializers.BooleanField()


class LeftOutSerializer(serializers.Serializer[Any]):
    why = serializers.CharField()
    n = serializers.IntegerField()


class ValuedSerializer(serializers.Serializer[Valued]):
    """What a policy would have earned; `withheld` says why there is no `value`."""

    policy = serializers.CharField()
    n_choices = serializers.IntegerField()
    value = EstimateSerializer(source="estimate", allow_null=True)
    withheld = serializers.CharField(allow_null=True)
    overlap = serializers.SerializerMethodField("of_weights")
    n_unsupported = serializers.IntegerField(help_text="Choices in whose place it would have shown what could not be.")
    estimators = serializers.SerializerMethodField("by_choice")
    tuned = serializers.SerializerMethodField("settings")
    slates = serializers.SerializerMethodField("by_page")
    left_out = serializers.SerializerMethodField("missing")

    @extend_schema_field(OverlapSerializer)
    def of_weights(self, valued: Valued) -> Any:
        seen = valued.found.overlap
        told = {name: getattr(seen, name) for name in ("n", "ess", "mean_weight", "max_weight", "supported")}
        error = seen.mean_weight_error if seen.n > 1 else None
        return {**told, "mean_weight_error": _finite(error), "is_trusted": seen.is_trusted}

    @extend_schema_field(EstimatorSerializer(many=True))
    def by_choice(self, valued: Valued) -> Any:
        each = {name: valued.found.of(name) for name in NAMES}
        return _estimators({**each, "aw_aipw": valued.adaptive, "naive_mean": valued.naive})

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": {"type": "number"}})
    def settings(self, valued: Valued) -> Any:
        """`most`: weights above it are not used by Switch-DR; `strength`: of the shrinkage by DRos."""
        best = valued.found.tuned
        return {"most": best.most, "strength": best.strength} if best else None

    @extend_schema_field(SlateSerializer(many=True))
    def by_page(self, valued: Valued) -> Any:
        logged = None if isinstance(valued.logged_per_page, Withheld) else valued.logged_per_page
        common = {"n_pages": valued.n_pages, "logged": logged}
        return [{"kind": kind, **common, **_slated(valued.slates[kind])} for kind in KINDS]

    @extend_schema_field(LeftOutSerializer(many=True))
    def missing(self, valued: Valued) -> Any:
        return [{"why": why, "n": n} for why, n in sorted(valued.left_out.items())]


def _slated(found: Slated | Withheld) -> dict[str, Any]:
    if isinstance(found, Withheld):
        blank = dict.fromkeys(("ess", "mean_weight", "max_weight"))
        return {**blank, "estimators": _estimators({"ips": found, "snips": found})}
    seen = found.overlap
    told = {"ess": seen.ess, "mean_weight": seen.mean_weight, "max_weight": seen.max_weight}
    return {**told, "estimators": _estimators({"ips": found.ips, "snips": found.snips})}


def _estimators(found: Mapping[str, Estimate | Withheld | float]) -> list[dict[str, Any]]:
    return [{"name": name, **_estimate(one)} for name, one in found.items()]


def _estimate(found: Estimate | Withheld | float) -> dict[str, Any]:
    match found:
        case Withheld():
            return {"value": None, "low": None, "high": None, "withheld": found.reason.value}
        case Estimate():
            return {"value": found.value, "low": found.low, "high": found.high, "withheld": None}
        case _:
            return {"value": found, "low": None, "high": None, "withheld": None}


def _finite(error: float | None) -> float | None:
    return error if error is not None and error < float("inf") else None
