"""What each role may do. The groups are made by migration; a later change of this table needs one as well."""

from collections.abc import Iterator
from typing import Any

from firstlight.accounts.models import Role

EVERYTHING = (
    "catalog.scenario catalog.item catalog.merchant catalog.category metrics.metric metrics.scenariomeasure "
    "metrics.metricversion metrics.rate "
    "objectives.weights experiments.layer experiments.experiment experiments.arm experiments.experimentmetric "
    "experiments.furtherlayer experiments.rampstage experiments.prerequisite experiments.savedgroup "
    "experiments.phase experiments.claim experiments.comment "
    "experiments.look bandits.campaign bandits.posterior bandits.drawtable bandits.ledger "
    "bandits.outcome bandits.campaignlook bandits.simulation lake.batch snapshots.version snapshots.hold notices.notice"
)
PLANS = (
    "catalog.scenario metrics.metric objectives.weights experiments.layer experiments.experiment experiments.arm "
    "experiments.experimentmetric experiments.furtherlayer experiments.rampstage experiments.prerequisite "
    "experiments.savedgroup bandits.campaign"
)
OWN = "notices.subscription"  # everybody's own, and nobody else's
OUT = "exports.job"  # data that leaves the house
BACK = "snapshots.hold"  # returning to an earlier state, and lifting that
SAY = "experiments.comment"  # stands as it was said: nobody changes or deletes it
KEYS = "accounts.apikey accounts.clientkey"
SHELVES = "catalog.scenario catalog.item catalog.merchant catalog.category"

MAY: dict[Role, dict[str, str]] = {  # {verbs: models}
    # plans, starts, stops and decides
    Role.PRODUCT_MANAGER: {
        "view": f"{EVERYTHING} {OWN} {OUT} accounts.auditentry",
        "add change": f"{PLANS} {SHELVES} metrics.rate {OWN} {OUT} {BACK}",
        "add": SAY,
        # lines of a draft
        "delete": "experiments.arm experiments.experimentmetric experiments.furtherlayer experiments.rampstage "
        f"experiments.prerequisite experiments.savedgroup {OWN}",
    },
    # reads all and defines what is measured
    Role.ANALYST: {
        "view": f"{EVERYTHING} {OWN} {OUT} accounts.auditentry",
        "add": SAY,
        "add change": f"metrics.metric metrics.rate {OWN} {OUT}",
        "certify": "metrics.metric",
        "delete": OWN,
    },
    # keeps it running: keys and catalogue, and may start and stop what others planned
    Role.OPERATOR: {
        "view": f"{EVERYTHING} {OWN} accounts.auditentry {KEYS} notices.webhook notices.delivery",
        "add": f"{KEYS} notices.webhook {SHELVES} {OWN} {SAY} {BACK}",
        "change": f"{KEYS} notices.webhook {SHELVES} {OWN} {BACK} experiments.experiment bandits.campaign",
        "delete": OWN,
    },
    Role.VIEWER: {"view": f"{EVERYTHING} {OWN}", "add change delete": OWN},
}


def permissions(role: Role) -> Iterator[tuple[str, str]]:
    """(app label, codename) of all that the role may do."""
    for verbs, models in MAY[role].items():
        for verb in verbs.split():
            for model in models.split():
                app, name = model.split(".")
                yield app, f"{verb}_{name}"


def make_groups(groups: Any, known: Any) -> None:
    """Groups with exactly these permissions, as far as their tables are there yet.

    Takes the managers of Group and Permission, so a migration can call it.
    """
    by_name = {(p.content_type.app_label, p.codename): p for p in known.select_related("content_type")}
    for role in Role:
        group, _ = groups.get_or_create(name=role.value)
        group.permissions.set([by_name[name] for name in permissions(role) if name in by_name])
