"""Runs a command that ends when its parent ends, however that ends: `python tether.py COMMAND …`.

Even a parent killed by SIGKILL then leaves nothing running. A script of its own and not a `preexec_fn`, which is unsafe
beside threads; the setting survives the `exec`. Only Linux has it; elsewhere the command runs untethered.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:  # it died before the line above
            sys.exit(f"the parent of {command[0]} is gone")
    os.execvp(command[0], command)  # noqa: S606 - there is no shell in it


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
