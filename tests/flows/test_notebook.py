"""The notebook of the docs finds the platform's verdict in what the platform gave away, without a line of ours."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"


def cells() -> list[str]:
    told = json.loads((FOLDER / "verdict_from_export.ipynb").read_text())["cells"]
    return ["".join(cell["source"]) for cell in told if cell["cell_type"] == "code"]


def test_every_cell_runs_and_the_verdict_is_the_same(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(FOLDER)
    known: dict[str, Any] = {}
    for source in cells():
        assert "firstlight" not in source and "experiments" not in source
        exec(source, known)
    assert known["verdict"] == "ship"
    assert known["lift"] == pytest.approx(69 / 46 - 1)
    assert "the platform said “ship”" in capsys.readouterr().out
