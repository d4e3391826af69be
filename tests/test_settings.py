"""The settings as an operator meets them: from outside, by the environment, through the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCTION = {
    "PRODUCTION": "true",
    "SECRET_KEY": "a-long-random-text-with-more-than-fifty-characters-and-symbols-$%&",
    "ALLOWED_HOSTS": "shop.example",
    "DATABASE_URL": "postgresql://firstlight:hunter2@db.example/firstlight",
    "BROKER_URL": "redis://redis.example/0",
    "LAKE_URL": "s3://bucket/lake",
}


def manage(*arguments: str, var: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**kept, "VAR_DIR": str(var), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_deployment_check_is_clean_in_production(tmp_path: Path) -> None:
    finished = manage("check", "--deploy", "--fail-level", "INFO", var=tmp_path, **PRODUCTION)
    assert finished.returncode == 0, finished.stderr
    assert "no issues (0 silenced)" in finished.stdout


def test_outside_of_production_the_same_check_complains(tmp_path: Path) -> None:
    assert manage("check", "--deploy", "--fail-level", "WARNING", var=tmp_path).returncode != 0


@pytest.mark.parametrize("missing", ["SECRET_KEY"])
def test_production_refuses_to_start_without(tmp_path: Path, missing: str) -> None:
    finished = manage("check", var=tmp_path, **{k: v for k, v in PRODUCTION.items() if k != missing})
    assert finished.returncode != 0
    assert f"{missing} (or {missing}_FILE) is not set" in finished.stderr


def test_secrets_may_lie_in_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(PRODUCTION["SECRET_KEY"])
    (tmp_path / "database").write_text(PRODUCTION["DATABASE_URL"])
    files = {"SECRET_KEY_FILE": str(tmp_path / "secret"), "DATABASE_URL_FILE": str(tmp_path / "database")}
    plain = {k: v for k, v in PRODUCTION.items() if k not in ("SECRET_KEY", "DATABASE_URL")}
    assert manage("check", "--deploy", "--fail-level", "INFO", var=tmp_path, **plain, **files).returncode == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://user:hunter2@db/shop"),
        ("BROKER_URL", "carrier-pigeon://user:hunter2@loft"),
        ("LAKE_URL", "ftp://user:hunter2@host/lake"),
        ("DEBUG", "hunter2"),
        ("INBOX_KEEP_DAYS", "3"),
        ("ENGINE", "hunter2"),
        ("WEBHOOK_NETWORKS", "hunter2"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_kept_quiet(tmp_path: Path, name: str, value: str) -> None:
    finished = manage("check", var=tmp_path, **{name: value})
    assert finished.returncode != 0
    assert f"{name}: expected" in finished.stderr
    assert "hunter2" not in finished.stderr.splitlines()[-1]


def test_every_setting_that_is_read_is_in_the_operations_manual() -> None:
    import re

    manual = (ROOT / "docs" / "operations.md").read_text()
    read = "".join(path.read_text() for path in (ROOT / "platform").rglob("*.py"))
    readers = "text|integer|flag|words|networks|choice|url|generated_secret"
    names = set(re.findall(rf"env\.(?:{readers})\(\s*\"([A-Z_]+)\"", read))
    assert names
    assert {name for name in names if f"`{name}`" not in manual} == set()
