"""`python -m tests.oracles FILE` prints passed, failed and not offered by method, and a total; 1 when a case failed."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.oracles.run import Outcome, known, outcome


def told(path: Path) -> Iterator[str]:
    counts: dict[str, Counter[Outcome]] = {}
    for case in json.loads(path.read_text())["cases"]:
        how, wrong = outcome(case)
        counts.setdefault(case["method"], Counter())[how] += 1
        yield from (f"  {case['id']}: {one}" for one in wrong)
        if wrong and (reason := known(case)):
            yield f"    {reason}"
    for method, found in sorted(counts.items()):
        yield f"{method:48}" + "  ".join(f"{n} {how}" for how, n in found.items())
    total = sum(counts.values(), Counter())
    parts = ", ".join(f"{total[how]} {how}" for how in Outcome)
    yield f"{total.total()} cases of {len(counts)} methods: {parts}"


def main(path: Path) -> int:
    failed = 0
    for line in told(path):
        print(line)
        failed = int(f" 0 {Outcome.FAILED}" not in line)  # of the last line, which is the total
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
