"""`python -m tests.statistics [PART OF A NAME]` prints the table of `docs/methods.md`; 1 when a promise is not kept."""

import sys
from time import perf_counter

from tests.statistics import told
from tests.statistics.promises import SIMULATIONS, kept, table


def main(part: str = "") -> int:
    found = []
    for name in told.ORDER:
        if part in name:
            began = perf_counter()
            found += kept(name)
            print(f"{perf_counter() - began:6.2f} s  {name}", file=sys.stderr)
    print(table(found))
    for one in (broken := [one for one in found if not one.is_kept]):
        print("NOT KEPT", one, file=sys.stderr)
    assert len(SIMULATIONS) == len(told.ORDER)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
