"""The pages keep what they promise: paths lead somewhere, modules exist, the contract names what is served."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_modules_that_the_methods_name_exist() -> None:
    named = re.findall(r"`((?:firstlight|experiments|bandits)\.[a-z_.]+)`", (ROOT / "docs" / "methods.md").read_text())
    assert named
    assert [module for module in named if find_spec(module) is None] == []


def test_every_method_says_how_where_and_what_proves_it() -> None:
    page = (ROOT / "docs" / "methods.md").read_text()
    for section in page.split("\n## ")[1:]:
        assert "tests/" in section, section.splitlines()[0]


@pytest.mark.django_db
def test_the_contract_names_every_path_that_is_served() -> None:
    from drf_spectacular.generators import SchemaGenerator

    page = (ROOT / "docs" / "api.md").read_text()
    words = set(re.findall(r"[a-z_]+", page))
    served = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    missing = [path for path in served if not set(re.findall(r"[a-z_]{3,}", re.sub(r"{\w+}", "", path))) <= words]
    assert missing == []
