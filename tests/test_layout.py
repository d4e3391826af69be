"""`platform` is an import root that shares its name with a module of the standard library."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_folder_platform_holds_one_package_and_no_python_of_its_own() -> None:
    """With an `__init__.py`, or a conftest, in it `uuid` and pytest die at import."""
    assert list((ROOT / "platform").glob("*.py")) == []
    assert [p.parent.name for p in (ROOT / "platform").glob("*/__init__.py")] == ["firstlight"]


def test_from_the_root_of_the_checkout_platform_is_still_the_standard_library() -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'platform')!r}]; import uuid, platform, firstlight; "
    )
    code += "print(platform.python_version(), uuid.uuid4().version, firstlight.__name__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [sys.version.split()[0], "4", "firstlight"]
