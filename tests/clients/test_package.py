"""What is published: a wheel and a source archive that need nothing of the repository, and say what they need else."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.clients.pretend import Shop
from tests.clients.test_local import serve
from tests.firstlight.assignment.test_assignment import rule

CLIENT = Path(__file__).parents[2] / "clients" / "python"
ASSIGNMENT = Path(__file__).parents[2] / "platform" / "firstlight" / "assignment"


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive from the repository, and the wheel from the archive."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=CLIENT)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    source = next(path for path in folder.iterdir() if path.is_dir())
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=source)
    return folder


def test_wheel_and_archive_hold_the_evaluator_itself_and_no_link(built: Path) -> None:
    expected = {str(path.relative_to(ASSIGNMENT)): path.read_bytes() for path in ASSIGNMENT.rglob("*.py")}
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names, inside = wheel.namelist(), "firstlight_client/assignment/"
        assert {n[len(inside) :]: wheel.read(n) for n in names if n.startswith(inside)} == expected
        assert "firstlight_client/py.typed" in names
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        assert not any(member.issym() or member.islnk() for member in archive.getmembers())


def test_the_evaluator_imports_nothing_of_the_platform() -> None:
    """Decision 0008: relative imports only, so that the very files are a package of the client as well."""
    for path in ASSIGNMENT.rglob("*.py"):
        assert "firstlight" not in [
            word.split(".")[0]
            for line in path.read_text().splitlines()
            if line.lstrip().startswith(("import ", "from "))
            for word in [line.split()[1]]
        ], path


def test_the_wheel_works_in_an_empty_environment(built: Path, shop: Shop, tmp_path: Path) -> None:
    """With nothing but what it says it needs on the path, and no repository."""
    serve(shop, [rule("a", condition={"country": {"$regex": "^I"}})])
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    wheel = next(built.glob("*.whl"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    packages = Path(run(python, "-c", "import site; print(site.getsitepackages()[0])", cwd=tmp_path).strip())
    # What it needs is installed here already; a download would make the test one of the network.
    (packages / "needed.pth").write_text(str(Path(pytest.__file__).parents[1]))
    code = (
        "import sys, firstlight_client\n"
        "assert not any(name.split('.')[0] in ('firstlight', 'django') for name in sys.modules)\n"
        "here = firstlight_client.Firstlight(sys.argv[1], 'fl_1_secret', local=True)\n"
        "assert here.wait_until_ready(10)\n"
        "print(here.assign({'user_id': 'u'}, 'home', {'country': 'IN'}).variant('a'), firstlight_client.__file__)\n"
        "here.close()"
    )
    arm, place = run(python, "-I", "-c", code, shop.url, cwd=tmp_path).split()
    assert arm in ("0", "1")
    assert Path(place).is_relative_to(tmp_path)


def test_what_it_needs_is_small_and_said(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        metadata = wheel.read(next(name for name in wheel.namelist() if name.endswith("/METADATA"))).decode()
    needs = {line.split()[1].split("<")[0].split(">")[0] for line in metadata.splitlines() if "Requires-Dist" in line}
    assert needs == {"httpx", "msgspec", "fnv-hash-fast", "google-re2", "opentelemetry-api", "numpy"}
    assert "Requires-Python: >=3.11" in metadata
