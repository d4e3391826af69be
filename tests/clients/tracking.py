"""A process of its own that tracks events until it is killed: `python tracking.py url folder n`."""

import sys
import time

from firstlight_client import Firstlight


def main(url: str, folder: str, n: int) -> None:
    here = Firstlight(url, "fl_1_secret", folder=folder)
    for i in range(n):
        here.track("visit", {"user_id": f"u-{i}"}, properties={"i": i})
    while len(here._delivery._buffer):  # until all is on disk
        time.sleep(0.01)
    print("spilled", flush=True)
    while True:
        here.track("visit", {"user_id": "later"})
        time.sleep(0.001)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
