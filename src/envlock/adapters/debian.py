"""Where this machine fetches Debian archives from: templates of its own, else what apt is set up with."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

from envlock.errors import EnvlockError, IntegrityError, UsageError
from envlock.formats.control import paragraphs
from envlock.model.artifact import Deb, Suite
from envlock.model.edges import Downloads, Task

VARIABLE = "ENVLOCK_DEBIAN_SOURCES"
_FIELDS = ("archive", "path", "sha256", "timestamp")
_EXAMPLE = f"{VARIABLE}='https://mirror.example.com/{{archive}}/{{path}}'"
_ARCHIVES = ("debian", "debian-security", "ubuntu", "ubuntu-ports")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Mirrors:
    """Ordered sources of the Debian archives; implements `model.edges.Archives`. Safe to call from several threads."""

    def __init__(
        self,
        downloads: Downloads,
        *,
        environment: Mapping[str, str] | None = None,
        apt: Path = Path("/etc/apt"),
        timestamps: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Read no file yet: `environment` and `apt` are asked when something is fetched."""
        self._downloads = downloads
        self._environment = os.environ if environment is None else environment
        self._apt = apt
        self._timestamps = dict(timestamps or {})

    def at(self, suites: Sequence[Suite]) -> Mirrors:
        """Return the same sources at the time of locked suites, which is what `{timestamp}` stands for.

        A snapshot is of some hours after the release file that it holds, and sources by date give the last one before
        the time that they are asked for: what came in with that release itself is found a day later.
        """
        latest: dict[str, datetime] = {}
        for suite in suites:
            date = datetime.fromisoformat(suite.date)
            latest[suite.archive] = max(latest.get(suite.archive, date), date)
        stamps = {
            archive: [f"{time:%Y%m%dT%H%M%SZ}" for time in (date, date + timedelta(days=1))]
            for archive, date in latest.items()
        }
        return Mirrors(self._downloads, environment=self._environment, apt=self._apt, timestamps=stamps)

    def index(self, archive: str, path: str, *, limit: int) -> bytes:
        """Return a small file below an archive's root whole.

        Raises UsageError: `no-debian-source`, `bad-debian-source`, or what the last source answered.
        """
        failure: EnvlockError | None = None
        for url in self._urls(archive, path, None):
            try:
                return self._downloads.get(url, limit=limit)
            except UsageError as error:
                failure = failure or error
        raise failure or self._no_source(archive)

    def deb(self, deb: Deb, destination: Path, progress: Task) -> None:
        """Stream a package to `destination`.

        Raises UsageError (`deb-gone` where no source has it any more) and IntegrityError where all that have it serve
        other bytes.
        """
        failures: list[EnvlockError] = []
        for url in self._urls(deb.archive, deb.path, deb.sha256):
            try:
                self._downloads.download(url, destination, sha256=deb.sha256, size=deb.size, progress=progress)
            except (UsageError, IntegrityError) as error:
                failures.append(error)
            else:
                return
        for failure in failures:
            if isinstance(failure, IntegrityError):
                raise failure
        raise self._missing(deb, failures)

    def ask(self, deb: Deb) -> None:
        """Raise UsageError unless a source still has a package: `deb-gone`, or why the last one did not answer."""
        failures: list[UsageError] = []
        for url in self._urls(deb.archive, deb.path, deb.sha256):
            try:
                self._downloads.get_range(url, 0, 1)
            except LookupError:
                return  # a server that answers, but serves no ranges
            except UsageError as error:
                failures.append(error)
            else:
                return
        raise self._missing(deb, failures)

    def _missing(self, deb: Deb, failures: Sequence[EnvlockError]) -> EnvlockError:
        """Return the error of a package that no source gave."""
        if not failures:
            return self._no_source(deb.archive)
        if all(failure.reference == "not-found" for failure in failures):
            return UsageError(
                "deb-gone",
                f"No source has {deb.name} {deb.version} any more: archives drop a version when the next one is out.",
                where=failures[0].where,
                expected=f"{deb.archive}/{deb.path}, sha256 {deb.sha256}",
                hint="lock again for the newer version (envlock lock --os), or add an archive that keeps old versions, "
                f"such as {VARIABLE}='https://snapshot.example.com/archive/{{archive}}/{{timestamp}}/{{path}}'",
            )
        return next(failure for failure in failures if failure.reference != "not-found")

    def _urls(self, archive: str, path: str, sha256: str | None) -> Iterator[str]:
        # As apt does: a plus sign in a path would be a space to some object stores.
        fixed = {"archive": archive, "path": quote(path, safe="/~"), "sha256": sha256}
        for template in self._templates(archive):
            names = set(_PLACEHOLDER.findall(template))
            stamps = self._timestamps.get(archive, ()) if "timestamp" in names else ("",)
            if "sha256" in names and sha256 is None:
                continue
            for stamp in stamps:
                values = fixed | {"timestamp": stamp}
                yield _PLACEHOLDER.sub(lambda match, values=values: str(values[match[1]]), template)  # type: ignore[misc]

    def _templates(self, archive: str) -> list[str]:
        own = self._environment.get(VARIABLE, "").split()
        for template in own:
            _check(template)
        return own or [f"{uri.rstrip('/')}/{{path}}" for uri in _apt_uris(self._apt, archive)]

    def _no_source(self, archive: str) -> UsageError:
        return UsageError(
            "no-debian-source",
            f"This machine has no source for the {archive} archive.",
            where=f"{VARIABLE} and {self._apt}",
            hint=f"set {_EXAMPLE}",
        )


def _check(template: str) -> None:
    names = _PLACEHOLDER.findall(template)
    if urlsplit(template).scheme not in ("http", "https") or not set(names) <= set(_FIELDS) or "path" not in names:
        raise UsageError(
            "bad-debian-source",
            f"A source in {VARIABLE} cannot be used.",
            expected="http(s) URLs with {path}, and {archive}, {timestamp} or {sha256} where they are needed",
            found=re.sub(r"//[^/]*@", "//", template),
            hint=f"such as {_EXAMPLE}",
        )


def _apt_uris(apt: Path, archive: str) -> list[str]:
    """Return the URIs of an archive that apt uses, in its own order, each once."""
    found: dict[str, None] = {}
    for uri, suite, components in _apt_entries(apt):
        if "main" not in components or urlsplit(uri).scheme not in ("http", "https"):
            continue
        name = urlsplit(uri).path.rstrip("/").rpartition("/")[2]
        if name not in _ARCHIVES and suite.endswith("-security"):
            name = "debian-security"
        if name == archive:
            found[uri] = None
    return list(found)


def _apt_entries(apt: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Iterate over (URI, suite, components) of apt's binary sources (sources.list(5))."""
    parts = apt / "sources.list.d"
    parted = sorted(path for path in parts.glob("*") if path.suffix in (".list", ".sources")) if parts.is_dir() else []
    for path in (apt / "sources.list", *parted):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        entries = _deb822(text) if path.suffix == ".sources" else _one_line(text)
        for uri, suite, components in entries:
            for resolved in _resolved(uri):
                yield resolved, suite, components


def _one_line(text: str) -> Iterator[tuple[str, str, list[str]]]:
    for raw in text.splitlines():
        line = re.sub(r"\[[^\]]*\]", " ", raw.partition("#")[0], count=1).split()
        if len(line) > 3 and line[0] == "deb":
            yield line[1], line[2], line[3:]


def _deb822(text: str) -> Iterator[tuple[str, str, list[str]]]:
    try:
        stanzas = list(paragraphs(text))
    except ValueError:
        return
    for stanza in stanzas:
        fields = {name.lower(): value.split() for name, value in stanza.items()}
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
            for uri in fields.get("uris", []):
                for suite in fields.get("suites", []):
                    yield uri, suite, fields.get("components", [])


def _resolved(uri: str) -> list[str]:
    """Return the URIs that a source stands for: cloud images list theirs in files (apt-transport-mirror(1))."""
    if not uri.startswith("mirror+file:"):
        return [uri]
    try:
        text = Path(urlsplit(uri).path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return [line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith("#")]
