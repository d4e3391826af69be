from pathlib import Path

import pytest
from django.conf import settings

from firstlight.demo import download, open_bandit
from firstlight.demo.open_bandit import Dataset

CACHE = Path(settings.ROOT) / "var" / "cache"  # the clone's own, so that the network is needed once


@pytest.fixture(scope="session")
def archive() -> Path:
    return download.fetch(CACHE)


@pytest.fixture(scope="session")
def dataset(archive: Path) -> Dataset:
    return open_bandit.read(archive)
