"""Those of the web processes, but that no campaign is held in memory: a stream tells of experiments alone."""

from firstlight.settings import *  # noqa: F403

SNAPSHOT_SECTIONS = [
    "firstlight.accounts.section",
    "firstlight.accounts.client_section",
    "firstlight.catalog.section",
    "experiments.section",
]
