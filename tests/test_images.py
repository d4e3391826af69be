"""The image and the composition say what they must; where Docker's compose is at hand it reads the file itself."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from firstlight.demo import services

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"
OURS = {"migrate", "web", "streams", "worker", "beat"}


@pytest.fixture(scope="module")
def composition() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


def has_compose() -> bool:
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_compose(), reason="docker compose is not installed: only the YAML is checked")
def test_compose_reads_the_file() -> None:
    finished = subprocess.run(
        ["docker", "compose", "--file", COMPOSE, "config", "--quiet"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


def test_the_services_are_ours_and_two_servers(composition: dict[str, Any]) -> None:
    assert set(composition["services"]) == OURS | {"postgres", "redis"}


def test_our_services_are_one_image_in_production(composition: dict[str, Any]) -> None:
    for name in OURS:
        service = composition["services"][name]
        assert service["image"] == "firstlight"
        assert service["environment"]["PRODUCTION"] == "true"


def test_no_secret_stands_in_the_file(composition: dict[str, Any]) -> None:
    for service in composition["services"].values():
        for variable, value in service.get("environment", {}).items():
            if re.search("SECRET|PASSWORD|DATABASE_URL", variable):
                assert variable.endswith("_FILE")
                assert value.removeprefix("/run/secrets/") in service["secrets"]
    assert all(given["file"].startswith("./secrets/") for given in composition["secrets"].values())


def test_nothing_starts_before_what_it_needs_is_well(composition: dict[str, Any]) -> None:
    services = composition["services"]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in OURS - {"migrate"}:
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert services[name]["depends_on"]["redis"] == {"condition": "service_healthy"}
    assert all("healthcheck" in services[name] for name in ("postgres", "redis", "worker"))


def test_what_must_last_lies_on_volumes(composition: dict[str, Any]) -> None:
    services = composition["services"]
    assert all("lake:/app/var/lake" in services[name]["volumes"] for name in OURS)
    assert services["postgres"]["volumes"] and services["redis"]["volumes"]
    assert set(composition["volumes"]) == {"lake", "postgres", "redis"}


@pytest.mark.parametrize("name", ["web", "streams", "worker", "beat"])
def test_the_composition_starts_what_make_up_starts(composition: dict[str, Any], name: str) -> None:
    (program,) = (p for p in services.programs("0.0.0.0", 8000) if p.name == name)
    command = composition["services"][name]["command"]
    assert command[0] == program.command[2]  # after `python -m`
    assert set(program.command[2:]) <= set(command)


def test_the_image_runs_as_nobody_special_with_pinned_packages() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users[-1:] == ["firstlight"]
    assert any("-r requirements.txt -c constraints.txt" in line for line in lines)
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    assert not any(re.match(r"(ENV|ARG) .*(SECRET|PASSWORD)", line) for line in lines)


def test_the_image_copies_what_the_build_may_see() -> None:
    copied = {
        source
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY")
        for source in line.split()[1:-1]
    }
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == let_in
    assert all((ROOT / source).exists() for source in copied)
