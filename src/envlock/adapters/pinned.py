"""Keeps projects to the one index that the manifest gives them, direct dependency or not (PEP 503 pages in a folder).

uv's `explicit` indexes serve direct requirements alone: a dependency's dependency would be asked of the other indexes.
So the pages of such projects are fetched here and laid out as a local index that stands before all others: uv asks the
first index that knows a name, and no other one.
"""

from __future__ import annotations

import datetime
import html
import html.parser
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

import msgspec

from envlock.adapters.http import Page
from envlock.errors import UsageError
from envlock.formats.sha256 import file_sha256
from envlock.model import records
from envlock.model.index import Index, Indexes, redact
from envlock.model.manifest import cutoff_of

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_LIMIT = 64 << 20
_CONNECTIONS = 8
_SUFFIXES = (".whl", ".tar.gz", ".zip")


class PinnedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a project's page (PEP 503, 592, 658, 691, 700)."""

    name: str
    url: str
    sha256: str | None = None
    requires_python: str | None = None
    yanked: str | bool = False
    metadata: str | bool = False
    """The sha256 of its metadata beside it, or only whether that is served."""
    size: int | None = None
    upload_time: str | None = None


class Pages(Protocol):
    """The part of the HTTP client that reads pages."""

    def page(self, url: str, *, limit: int, accept: str = "*/*") -> Page:
        """Return a small answer whole."""


class PinnedPages:
    """The pages of projects that come from one index alone, each one read once."""

    def __init__(self, indexes: Indexes, http: Pages) -> None:
        self._pinned = indexes.pinned
        self._http = http
        self._read: dict[str, list[PinnedFile]] = {}
        self._reading = threading.Lock()

    def write(self, folder: Path, *, cutoff: str | None, package_cutoffs: Mapping[str, str]) -> dict[str, PinnedFile]:
        """Write `folder`/PROJECT/index.html for each such project; return their files by sha256.

        Files from after their cutoff are left out: the package's own, else the index's, else `cutoff`. A project that
        its index does not have gets an empty page, so that no other index is asked. Raises UsageError where a page
        cannot be read, and `no-upload-times` where a cutoff counts and the index has none.
        """
        found = {}
        for project, files in self._files().items():
            index = self._pinned[project]
            until = package_cutoffs.get(project) or (cutoff_of(index.as_of) if index.as_of is not None else cutoff)
            files = _until(files, None if until == "none" else until, index, project)
            page = folder / project / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(_written(files), "utf-8")
            found.update({file.sha256: file for file in files if file.sha256 is not None})
        return found

    def _files(self) -> dict[str, list[PinnedFile]]:
        with self._reading:
            if not self._read:
                with ThreadPoolExecutor(_CONNECTIONS) as pool:
                    rows = pool.map(lambda row: _files(row[1], row[0], self._http), self._pinned.items())
                    self._read = dict(zip(self._pinned, rows, strict=True))
            return self._read


def _until(files: Sequence[PinnedFile], cutoff: str | None, index: Index, project: str) -> list[PinnedFile]:
    if cutoff is None:
        return list(files)
    # Files of a folder bear no date, and uv too leaves cutoffs out there.
    if urlsplit(index.url).scheme == "file":
        return list(files)
    if files and all(file.upload_time is None for file in files):
        raise UsageError(
            "no-upload-times",
            f"The index {index.name!r} does not say when files were uploaded, so as-of admits nothing of {project}.",
            where=f"[[index]] {index.name}",
            hint='Set as-of = "none" for that index, and pin its packages.',
        )
    return [file for file in files if file.upload_time is not None and _moment(file.upload_time) < _moment(cutoff)]


def _moment(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def _files(index: Index, project: str, http: Pages) -> list[PinnedFile]:
    """Return the files that an index has of a project, in the order of the page."""
    if index.format == "flat":
        return [file for file in _flat(index, http) if _project(file.name) == project]
    try:
        page = _read(f"{index.url.rstrip('/')}/{project}/", http)
    except UsageError as error:
        if error.reference == "not-found":
            return []
        raise
    return parse_page(page)


def _flat(index: Index, http: Pages) -> list[PinnedFile]:
    parts = urlsplit(index.url)
    place = Path(url2pathname(parts.path))
    if parts.scheme == "file" and place.is_dir():
        return [_local(path) for path in sorted(place.iterdir()) if path.name.endswith(_SUFFIXES)]
    return parse_page(_read(index.url, http))


def _local(path: Path) -> PinnedFile:
    return PinnedFile(name=path.name, url=path.as_uri(), sha256=file_sha256(path))


def _read(url: str, http: Pages) -> Page:
    parts = urlsplit(url)
    if parts.scheme != "file":
        return http.page(url, limit=_LIMIT, accept=_ACCEPT)
    path = Path(url2pathname(parts.path))
    try:
        body = (path / "index.html" if path.is_dir() else path).read_bytes()
    except OSError:
        raise UsageError("not-found", "The index has no such page.", where=path.name) from None
    return Page(url=url, kind="text/html", body=body)


class _JsonFile(msgspec.Struct, rename="kebab"):
    filename: str
    url: str
    hashes: dict[str, str] = {}
    requires_python: str | None = None
    yanked: str | bool = False
    core_metadata: dict[str, str] | bool = False
    size: int | None = None
    upload_time: str | None = None


class _JsonPage(msgspec.Struct):
    files: list[_JsonFile]


def parse_page(page: Page) -> list[PinnedFile]:
    """Parse a project's page as JSON (PEP 691) or HTML (PEP 503); UsageError (`bad-index-page`).

    Links of a server lead to servers: one to a file of this machine is left out.
    """
    try:
        files = _json_files(page) if page.kind.endswith("json") else _anchors(page)
        schemes = ("http", "https") if urlsplit(page.url).scheme != "file" else ("http", "https", "file")
        return [file for file in files if file.name.endswith(_SUFFIXES) and urlsplit(file.url).scheme in schemes]
    except (msgspec.DecodeError, ValueError) as error:
        raise UsageError(
            "bad-index-page",
            "The index's answer is not that of a Simple API.",
            where=redact(page.url),
            found=str(error),
        ) from None


def _json_files(page: Page) -> list[PinnedFile]:
    return [
        PinnedFile(
            name=row.filename,
            url=urljoin(page.url, row.url),
            sha256=row.hashes.get("sha256"),
            requires_python=row.requires_python,
            yanked=row.yanked,
            metadata=row.core_metadata.get("sha256", True)
            if isinstance(row.core_metadata, dict)
            else row.core_metadata,
            size=row.size,
            upload_time=_with_zone(row.upload_time),
        )
        for row in records.from_json(page.body, _JsonPage).files
    ]


def _with_zone(text: str | None) -> str | None:
    """Return a time of PEP 700, which says its zone: without one it would be another moment on each machine."""
    if text is not None and datetime.datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"upload-time {text!r} has no zone")
    return text


def _anchors(page: Page) -> list[PinnedFile]:
    reader = _Anchors(page.url)
    reader.feed(page.body.decode("utf-8", "replace"))
    return reader.files


class _Anchors(html.parser.HTMLParser):
    """Collects the files that a page links."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base
        self.files: list[PinnedFile] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        href = values.get("href")
        if href and tag == "base":
            self._base = urljoin(self._base, href)
        if not href or tag != "a":
            return
        url, _, fragment = urljoin(self._base, href).partition("#")
        digest = re.search(r"(?:^|&)sha256=([0-9a-f]{64})", fragment)
        metadata = values.get("data-core-metadata", values.get("data-dist-info-metadata", "false")) or "true"
        self.files.append(
            PinnedFile(
                name=unquote(urlsplit(url).path.rpartition("/")[2]),
                url=url,
                sha256=digest[1] if digest else None,
                requires_python=values.get("data-requires-python"),
                yanked=(values["data-yanked"] or True) if "data-yanked" in values else False,
                metadata=metadata.removeprefix("sha256=") if metadata.startswith("sha256=") else metadata == "true",
            )
        )


def _written(files: Sequence[PinnedFile]) -> str:
    return "<!DOCTYPE html>\n<html><body>\n" + "".join(map(_anchor, files)) + "</body></html>\n"


def _anchor(file: PinnedFile) -> str:
    extra = ""
    if file.requires_python:
        extra += f' data-requires-python="{html.escape(file.requires_python)}"'
    if file.yanked is not False:
        extra += f' data-yanked="{html.escape(file.yanked if isinstance(file.yanked, str) else "")}"'
    if file.metadata:
        value = f"sha256={file.metadata}" if isinstance(file.metadata, str) else "true"
        extra += f' data-core-metadata="{html.escape(value)}"'
    fragment = f"#sha256={file.sha256}" if file.sha256 else ""
    return f'<a href="{html.escape(file.url + fragment)}"{extra}>{html.escape(file.name)}</a>\n'


def _project(name: str) -> str | None:
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        canonicalize_name,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    try:
        return str(
            canonicalize_name((parse_wheel_filename if name.endswith(".whl") else parse_sdist_filename)(name)[0])
        )
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
