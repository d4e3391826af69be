"""The Open Bandit Dataset, fetched once: it lies inside the source distribution of `obp` on the package index.

Saito, Aihara, Matsutani, Narita (2021), arXiv:2008.07146; licence CC BY 4.0. Nothing of it is kept in the repository.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

PINNED = Path(__file__).with_name("open_bandit.requirements.txt")
ARCHIVE = "obp-0.5.7.tar.gz"
SHA256 = PINNED.read_text().split("sha256:")[1].strip()


class Unavailable(Exception):
    """The data could not be fetched; the words say what to do."""


def fetch(cache: Path) -> Path:
    """Path of the archive, with its hash checked on every call. Needs the network once."""
    archive = cache / ARCHIVE
    if _is_whole(archive):
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    archive.unlink(missing_ok=True)
    finished = subprocess.run(_command(cache), capture_output=True, text=True, check=False)
    if finished.returncode or not _is_whole(archive):
        said = (finished.stderr or finished.stdout).strip().splitlines()[-1:] or ["pip said nothing"]
        raise Unavailable(
            f"The Open Bandit Dataset ({ARCHIVE}) could not be fetched by pip: {said[0]}. "
            f"Go online, or put the file with SHA-256 {SHA256[:12]}… into {cache}."
        )
    return archive


def _command(cache: Path) -> list[str]:
    # obp asks for an older Python than ours; we only read its archive.
    options = ["--no-deps", "--no-binary", "obp", "--ignore-requires-python", "--require-hashes", "--quiet"]
    return [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download"),
        *options,
        *("--requirement", str(PINNED), "--dest", str(cache)),
    ]


def _is_whole(archive: Path) -> bool:
    return archive.is_file() and hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256
