"""Where Debian's archives are fetched from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from envlock.adapters.debian import VARIABLE, Mirrors
from envlock.errors import IntegrityError, UsageError
from envlock.model.artifact import Deb, Suite
from envlock.model.edges import NoProgress, Task

BODY = b"a package"
DEB = Deb(
    name="sample",
    version="1.0+b1",
    architecture="amd64",
    archive="debian",
    path="pool/main/s/sample_1.0+b1_amd64.deb",
    size=len(BODY),
    sha256=hashlib.sha256(BODY).hexdigest(),
)


class Web:
    """Implements `model.edges.Downloads` over a dict, and remembers what it was asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []

    def get(self, url: str, *, limit: int) -> bytes:
        self.asked.append(url)
        if url not in self.files:
            raise UsageError("not-found", "The server answered 404.", where=url)
        return self.files[url]

    def get_range(self, url: str, start: int, end: int) -> bytes:
        return self.get(url, limit=1 << 20)[start:end]

    def download(self, url: str, destination: Path, *, sha256: str, size: int | None, progress: Task) -> None:
        body = self.get(url, limit=1 << 20)
        if hashlib.sha256(body).hexdigest() != sha256:
            raise IntegrityError("download-mismatch", "What was downloaded is not the locked file.", where=url)
        destination.write_bytes(body)


def mirrors(web: Web, variable: str = "", apt: Path = Path("/nonexistent")) -> Mirrors:
    return Mirrors(web, environment={VARIABLE: variable} if variable else {}, apt=apt)


def fetch(source: Mirrors, tmp_path: Path) -> bytes:
    with NoProgress().task("") as task:
        source.deb(DEB, tmp_path / "out.deb", task)
    return (tmp_path / "out.deb").read_bytes()


def test_templates_are_tried_in_order(tmp_path: Path) -> None:
    """A source that does not have a file is followed by the next one; a plus sign is written as apt writes it."""
    web = Web({"https://two.example.com/by/" + DEB.sha256 + "/pool/main/s/sample_1.0%2Bb1_amd64.deb": BODY})
    source = mirrors(web, "https://one.example.com/{archive}/{path}\n https://two.example.com/by/{sha256}/{path}")
    assert fetch(source, tmp_path) == BODY
    assert web.asked[0] == "https://one.example.com/debian/pool/main/s/sample_1.0%2Bb1_amd64.deb"


def test_a_source_by_date_is_used_at_the_time_of_the_suites(tmp_path: Path) -> None:
    """The latest date of the archive's suites; without a lock such a source is passed over."""
    url = "https://snapshot.example.com/debian/20260912T092708Z/pool/main/s/sample_1.0%2Bb1_amd64.deb"
    web = Web({url: BODY})
    source = mirrors(web, "https://snapshot.example.com/{archive}/{timestamp}/{path}")
    with pytest.raises(UsageError, match="no-debian-source"):
        fetch(source, tmp_path)
    suites = [
        Suite(archive="debian", suite="bullseye", date=date, sha256="0" * 64, signer="A")
        for date in ("2025-08-09T09:16:30Z", "2026-09-12T09:27:08Z")
    ]
    assert fetch(source.at(suites), tmp_path) == BODY


def test_a_package_that_came_in_with_the_locked_suites_is_found_a_day_later(tmp_path: Path) -> None:
    """The snapshot before a release file is older than what the file lists; {sha256} needs no time."""
    path = "pool/main/s/sample_1.0%2Bb1_amd64.deb"
    web = Web({f"https://snapshot.example.com/20260913T092708Z/{path}": BODY})
    suite = Suite(archive="debian", suite="bullseye", date="2026-09-12T09:27:08Z", sha256="0" * 64, signer="A")
    source = mirrors(web, "https://live.example.com/{path} https://snapshot.example.com/{timestamp}/{path}").at([suite])
    assert fetch(source, tmp_path) == BODY
    assert [url.split("/")[3] for url in web.asked] == ["pool", "20260912T092708Z", "20260913T092708Z"]


def test_whether_a_package_is_still_there_can_be_asked() -> None:
    """Of all sources in order, without fetching it."""
    path = "pool/main/s/sample_1.0%2Bb1_amd64.deb"
    templates = "https://one.example.com/{path} https://two.example.com/{path}"
    mirrors(Web({f"https://two.example.com/{path}": BODY}), templates).ask(DEB)
    with pytest.raises(UsageError, match="deb-gone"):
        mirrors(Web({}), templates).ask(DEB)
    with pytest.raises(UsageError, match="no-debian-source"):
        mirrors(Web({})).ask(DEB)


def test_other_bytes_on_one_mirror_do_not_stop_the_next(tmp_path: Path) -> None:
    """Where all that have the file serve other bytes, that is an integrity error."""
    path = "pool/main/s/sample_1.0%2Bb1_amd64.deb"
    one, two = f"https://one.example.com/{path}", f"https://two.example.com/{path}"
    templates = "https://one.example.com/{path} https://two.example.com/{path}"
    assert fetch(mirrors(Web({one: b"other", two: BODY}), templates), tmp_path) == BODY
    with pytest.raises(IntegrityError, match="download-mismatch"):
        fetch(mirrors(Web({one: b"other"}), templates), tmp_path)


def test_a_package_that_is_gone_is_said_with_the_next_step(tmp_path: Path) -> None:
    """Live mirrors drop old versions."""
    with pytest.raises(UsageError, match="deb-gone") as caught:
        fetch(mirrors(Web({}), "https://one.example.com/{path}"), tmp_path)
    assert DEB.sha256 in caught.value.expected
    assert "{timestamp}" in caught.value.hint


@pytest.mark.parametrize(
    "template", ["https://example.com/{archive}", "https://example.com/{path}/{arch}", "ftp://x/{path}", "/mnt/{path}"]
)
def test_a_template_that_cannot_work_is_refused(template: str) -> None:
    """Before anything is fetched, with an example."""
    with pytest.raises(UsageError, match="bad-debian-source") as caught:
        mirrors(Web({}), template).index("debian", "dists/x", limit=1)
    assert "mirror.example.com" in caught.value.hint


def test_credentials_are_not_shown() -> None:
    """Not even of a source that is refused."""
    with pytest.raises(UsageError) as caught:
        mirrors(Web({}), "https://ana:secret@example.com/{archive}").index("debian", "dists/x", limit=1)
    assert "secret" not in str(caught.value)


def apt_folder(tmp_path: Path) -> Path:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://old.example.com/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/x.gpg] http://list.example.com/debian/ bookworm main contrib # comment\n"
        "deb-src http://source.example.com/debian bookworm main\n"
        "deb http://security.example.com/ bookworm-security main\n"
        "deb https://docker.example.com/linux/debian bookworm stable\n"
        "deb https://tools.example.com/apt tools main\n"
        "deb cdrom:[Debian]/ bookworm main\n"
    )
    (parts / "debian.sources").write_text(
        "Types: deb\nURIs: http://deb822.example.com/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n"
        "Types: deb\nURIs: http://deb822.example.com/debian-security\nSuites: bookworm-security\nComponents: main\n\n"
        "Types: deb\nEnabled: no\nURIs: http://off.example.com/debian\nSuites: bookworm\nComponents: main\n"
    )
    (tmp_path / "mirrors.txt").write_text("# ours\nhttps://cloud.example.com/debian priority:1\n")
    (parts / "zz.list").write_text(f"deb mirror+file:{tmp_path}/mirrors.txt bookworm main\n")
    (parts / "ubuntu.list").write_text(
        "deb http://primary.example.com/ubuntu jammy main universe\n"
        "deb http://patches.example.com/ubuntu jammy-security main universe\n"
        "deb http://ports.example.com/ubuntu-ports jammy main\n"
    )
    (parts / "ignored.save").write_text("deb http://saved.example.com/debian bookworm main\n")
    return tmp_path


@pytest.mark.parametrize(
    ("archive", "hosts"),
    [
        ("debian", ["list", "deb822", "cloud"]),
        ("debian-security", ["security", "deb822"]),
        ("ubuntu", ["primary", "patches"]),
        ("ubuntu-ports", ["ports"]),
    ],
)
def test_apts_sources_of_the_same_archive_are_used(tmp_path: Path, archive: str, hosts: list[str]) -> None:
    """Both formats, in apt's order, each once, whatever release this machine runs; other archives are left alone."""
    web = Web({})
    with pytest.raises(UsageError, match="not-found"):
        mirrors(web, apt=apt_folder(tmp_path)).index(archive, "dists/bullseye/InRelease", limit=1)
    assert [url.partition("//")[2].partition(".")[0] for url in web.asked] == hosts
    assert all(url.endswith("/dists/bullseye/InRelease") for url in web.asked)


def test_a_machine_without_sources_is_told_how_to_name_one() -> None:
    """With an example that works as it stands."""
    with pytest.raises(UsageError, match="no-debian-source") as caught:
        mirrors(Web({})).index("debian", "dists/bullseye/InRelease", limit=1)
    assert caught.value.hint == "set ENVLOCK_DEBIAN_SOURCES='https://mirror.example.com/{archive}/{path}'"
