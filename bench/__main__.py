"""`python -m bench [name …]`: every benchmark, or those named, each in a process and with a state of its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = (
    "ingest",
    "flush",
    "evaluate",
    "allocate",
    "unchanged",
    "analyse",
    "draws",
    "dealing",
    "learning",
    "campaigns",
    "finish",
    "pages",
    "fuzz",
    "snapshots",
    "faults",
    "soak",
)


def main() -> int:
    names = sys.argv[1:] or NAMES
    if unknown := set(names) - set(NAMES):
        sys.exit(f"No such benchmark: {', '.join(sorted(unknown))}. There are: {', '.join(NAMES)}.")
    return max(run(name) for name in names)


def run(name: str) -> int:
    with tempfile.TemporaryDirectory(prefix="firstlight-bench-") as var_dir:
        own = {"VAR_DIR": var_dir, "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}", "LOG_LEVEL": "WARNING"}
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "firstlight.settings", **own}
        code = f"import django; django.setup(); from bench import {name}; {name}.run()"
        return subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
