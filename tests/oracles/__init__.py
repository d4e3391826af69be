"""Numbers of independent libraries, answered by our public functions: `python -m tests.oracles FILE`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
