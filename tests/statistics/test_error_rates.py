"""Every promise of the table is kept within four standard errors, and the table in the methods is that of this run.

Seeds are fixed, tolerances worked out from the number of runs. What a method promises only on one side is judged there.
"""

from pathlib import Path

import pytest

from tests.statistics import told
from tests.statistics.promises import Promise, kept

METHODS = Path(__file__).parents[2] / "docs" / "methods.md"


def rows() -> dict[tuple[str, str], list[str]]:
    """(method, setting) -> the other cells of its row in the methods."""
    cells = [line.strip("| ").split(" | ") for line in METHODS.read_text().splitlines() if line.startswith("| ")]
    return {(row[0], row[1]): row[2:] for row in cells if len(row) == 6 and row[0] != "method"}


@pytest.mark.slow
@pytest.mark.parametrize("name", told.ORDER)
def test_promises_are_kept_and_told_as_they_were_found(name: str) -> None:
    written = rows()
    for one in kept(name):
        assert one.is_kept, one
        runs, nominal, found, _ = written.pop((one.method, one.setting))
        assert (runs, nominal) == (f"{one.runs:,}", one.row.split(" | ")[3])
        # Not to the last digit: sums in another order may turn a run that stood on the edge.
        assert abs(float(found) - one.found) < max(one.se, 1e-3)


def test_a_promise_is_broken_beyond_four_standard_errors_on_the_side_that_it_is_made_for() -> None:
    def promise(found: float, side: str = "") -> bool:
        return Promise("", "", 100, 0.05, found, 0.01, side).is_kept  # type: ignore[arg-type]

    assert promise(0.089) and promise(0.011)
    assert not promise(0.091) and not promise(0.009)
    assert promise(0.0, "≤") and not promise(0.091, "≤")
    assert promise(1.0, "≥") and not promise(0.009, "≥")
