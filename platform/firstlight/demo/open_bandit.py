"""The logs of a fashion shop: what each of two policies showed, where, with what probability, and what was clicked."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv as pc
import yaml

CAMPAIGNS = ("all", "men", "women")
ARMS = {"random": "random", "bernoulli_ts": "bts"}  # our arm: the folder of the policy's logs
_HOME = "obp-0.5.7/obp"


@dataclass(frozen=True, slots=True)
class Impression:
    campaign: str
    arm: str
    row: int  # in its file: no other thing names an impression
    at: datetime
    item: int
    position: int  # 1 to 3, from the left
    clicked: bool
    propensity: float  # of this item in this position under the policy that showed it
    user_features: tuple[str, ...]  # hashed by the publisher


@dataclass(frozen=True, slots=True)
class Garment:
    """One item of a campaign. Features are hashed by the publisher; the last stands for a category."""

    campaign: str
    item: int
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Beliefs:
    """The shop's production posteriors: Beta(alpha[i], beta[i]) of item i."""

    alpha: tuple[float, ...]
    beta: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    impressions: tuple[Impression, ...]
    garments: tuple[Garment, ...]
    beliefs: dict[str, Beliefs]  # by campaign


def read(archive: Path) -> Dataset:
    """The whole of it: 60,000 impressions."""
    with tarfile.open(archive) as tar:
        return Dataset(
            tuple(i for campaign in CAMPAIGNS for arm in ARMS for i in _impressions(tar, campaign, arm)),
            tuple(garment for campaign in CAMPAIGNS for garment in _garments(tar, campaign)),
            _beliefs(tar),
        )


def _impressions(tar: tarfile.TarFile, campaign: str, arm: str) -> Iterator[Impression]:
    features = [f"user_feature_{k}" for k in range(4)]
    columns = ["", "timestamp", "item_id", "position", "click", "propensity_score", *features]
    rows = _table(tar, f"dataset/obd/{ARMS[arm]}/{campaign}/{campaign}.csv", columns)
    for row, at, item, position, click, propensity, *user in zip(*(rows[c].to_pylist() for c in columns), strict=True):
        when = datetime.fromisoformat(at).astimezone(UTC)
        yield Impression(campaign, arm, row, when, item, position, bool(click), propensity, tuple(user))


def _garments(tar: tarfile.TarFile, campaign: str) -> Iterator[Garment]:
    columns = ["item_id", "item_feature_1", "item_feature_2", "item_feature_3"]
    rows = _table(tar, f"dataset/obd/random/{campaign}/item_context.csv", columns)
    for item, *features in zip(*(rows[c].to_pylist() for c in columns), strict=True):
        yield Garment(campaign, item, tuple(features))


def _beliefs(tar: tarfile.TarFile) -> dict[str, Beliefs]:
    parsed = yaml.safe_load(_member(tar, "policy/conf/prior_bts.yaml"))
    return {name: Beliefs(tuple(parsed[name]["alpha"]), tuple(parsed[name]["beta"])) for name in CAMPAIGNS}


def _table(tar: tarfile.TarFile, path: str, columns: list[str]) -> pa.Table:
    # Times stay text: pyarrow would read them to the second only.
    options = pc.ConvertOptions(include_columns=columns, column_types={"timestamp": pa.string()})
    return pc.read_csv(_member(tar, path), convert_options=options)


def _member(tar: tarfile.TarFile, path: str) -> IO[bytes]:
    file = tar.extractfile(f"{_HOME}/{path}")
    if file is None:
        raise FileNotFoundError(path)
    return file
