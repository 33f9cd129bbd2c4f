"""Package indexes of the suites a base is resolved from, searchable by name and by what packages provide."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from envlock.errors import IntegrityError
from envlock.formats.control import Relation, paragraph, relations, version_key
from envlock.locking.release import IndexFile, Release
from envlock.model.artifact import Deb
from envlock.model.edges import Archives

_INDEX_LIMIT = 1 << 26
"""Compressed bytes of one index; Debian's largest has 10 MB."""
_TEXT_LIMIT = 1 << 28
_PIECE = 1 << 18
_PRIORITIES = ("required", "important", "standard", "optional")
"""Debian policy 2.5; apt prefers among providers by them."""


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """A package at one version: offered by an index, or in an image already."""

    name: str
    version: str
    depends: tuple[tuple[Relation, ...], ...] = ()
    """Pre-Depends and Depends."""
    provides: tuple[Relation, ...] = ()

    def satisfies(self, relation: Relation) -> bool:
        """Tell whether this package is, or provides, what is asked for (Debian policy, 7.5)."""
        if relation.name == self.name and relation.admits(self.version):
            return True
        return any(
            provided.name == relation.name
            and (not relation.operator or (provided.operator == "=" and relation.admits(provided.version)))
            for provided in self.provides
        )


class Candidate(Present, frozen=True, kw_only=True):
    """One version of a package, as an index offers it."""

    deb: Deb


class _Place(NamedTuple):
    """A version of a package, and where its stanza stands in the text of all."""

    version: str
    archive: str
    start: int
    size: int


class PackageIndex:
    """What the suites of one architecture offer: the highest version of each package, first suite first."""

    def __init__(self, stanzas: Iterable[tuple[str, bytes]]) -> None:
        """Index `(archive, stanza)` pairs, in the order of the recipe's suites.

        Raises ValueError for a stanza without the fields that every package has.
        """
        self._best: dict[str, _Place] = {}
        # One block for all stanzas: tens of thousands of their own would leave the heap in holes once they are gone.
        self._text = bytearray()
        for archive, stanza in stanzas:
            name, version = _field(stanza, b"Package"), _field(stanza, b"Version")
            best = self._best.get(name)
            if best is None or version_key(version) > version_key(best.version):
                self._best[name] = _Place(version, archive, len(self._text), len(stanza))
                self._text += stanza
        self._providers: dict[str, list[str]] = {}
        for name in self._best:
            stanza = self.stanza(name)
            if b"\nProvides:" in stanza:
                for (provided,) in relations(_field(stanza, b"Provides")):
                    self._providers.setdefault(provided.name, []).append(name)
        self._candidates: dict[str, Candidate] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._best

    def within_reach(self, names: Iterable[str]) -> list[str]:
        """Return, sorted, the packages of these names and all that any alternative of a dependency may bring."""
        waiting = list(names)
        reached = set(waiting)
        while waiting:
            name = waiting.pop()
            for alternatives in self.candidate(name).depends if name in self._best else ():
                for relation in alternatives:
                    new = {relation.name, *self._providers.get(relation.name, ())} - reached
                    reached |= new
                    waiting += new
        return sorted(name for name in reached if name in self._best)

    def stanza(self, name: str) -> bytes:
        """Return the entry of a package; KeyError where there is none."""
        place = self._best[name]
        return bytes(memoryview(self._text)[place.start : place.start + place.size])

    def providers(self, relation: Relation) -> Iterator[Candidate]:
        """Iterate over what satisfies a relation: the package of that name, then providers by priority and name."""
        names = [relation.name] if relation.name in self._best else []
        for name in (
            *names,
            *sorted(self._providers.get(relation.name, ()), key=lambda name: (self._rank(name), name)),
        ):
            candidate = self.candidate(name)
            if candidate.satisfies(relation):
                yield candidate

    def _rank(self, name: str) -> int:
        stanza = self.stanza(name)
        priority = _field(stanza, b"Priority") if b"\nPriority:" in stanza else "optional"
        return _PRIORITIES.index(priority) if priority in _PRIORITIES else len(_PRIORITIES)

    def candidate(self, name: str) -> Candidate:
        """Return the one version of a package that counts; KeyError where there is none."""
        if name not in self._candidates:
            self._candidates[name] = self._parsed(name)
        return self._candidates[name]

    def _parsed(self, name: str) -> Candidate:
        version, archive = self._best[name].version, self._best[name].archive
        try:
            fields = paragraph(self.stanza(name).decode("utf-8"))
            return Candidate(
                name=name,
                version=version,
                deb=Deb(
                    name=name,
                    version=version,
                    architecture=fields["Architecture"],
                    archive=archive,
                    path=fields["Filename"],
                    size=int(fields["Size"]),
                    sha256=fields["SHA256"],
                ),
                depends=depends_of(fields),
                provides=provides_of(fields),
            )
        except (KeyError, ValueError) as error:
            raise IntegrityError(
                "bad-index", f"The entry of a package cannot be read: {error}.", where=f"{archive} {name} {version}"
            ) from error


def depends_of(fields: Mapping[str, str]) -> tuple[tuple[Relation, ...], ...]:
    """Return the Pre-Depends and Depends of a stanza; ValueError where they cannot be read."""
    return relations(fields.get("Pre-Depends", "")) + relations(fields.get("Depends", ""))


def provides_of(fields: Mapping[str, str]) -> tuple[Relation, ...]:
    """Return the Provides of a stanza; ValueError where they cannot be read."""
    return tuple(alternatives[0] for alternatives in relations(fields.get("Provides", "")))


def read_packages(releases: Iterable[Release], architecture: str, archives: Archives) -> PackageIndex:
    """Fetch the package indexes of one architecture and index them.

    Raises IntegrityError (`index-mismatch`, `bad-index`) where an index is not the one its release file lists.
    """
    try:
        return PackageIndex(_stanzas(releases, architecture, archives))
    except ValueError as error:
        raise IntegrityError("bad-index", f"A package index cannot be read: {error}.", where=architecture) from error


def _stanzas(releases: Iterable[Release], architecture: str, archives: Archives) -> Iterator[tuple[str, bytes]]:
    for release, path in _indexes(releases, architecture):
        listed = release.index_files.get(path)
        if listed is None:
            raise IntegrityError(
                "bad-release",
                "The release file lists no packages for this architecture.",
                where=f"{release.suite.archive} {release.suite.suite}",
                expected=path,
            )
        raw = _fetch(release, listed, archives)
        try:
            for stanza in _split(raw):
                yield release.suite.archive, stanza
        except (lzma.LZMAError, ValueError) as error:
            raise IntegrityError(
                "bad-index", f"The package index cannot be read: {error}.", where=_where(release, listed)
            ) from error


def _indexes(releases: Iterable[Release], architecture: str) -> Iterator[tuple[Release, str]]:
    """Yield the paths of an architecture's indexes below the suites of the archives that hold it."""
    for release in releases:
        if release.architectures and architecture not in release.architectures:
            continue
        for component in release.components:
            yield release, f"{component}/binary-{architecture}/Packages.xz"
            if release.separate_all:
                yield release, f"{component}/binary-all/Packages.xz"


def _fetch(release: Release, listed: IndexFile, archives: Archives) -> bytes:
    folder = f"dists/{release.suite.suite}"
    parent = listed.path.rpartition("/")[0]
    path = f"{folder}/{parent}/by-hash/SHA256/{listed.sha256}" if release.by_hash else f"{folder}/{listed.path}"
    raw = archives.index(release.suite.archive, path, limit=min(listed.size, _INDEX_LIMIT))
    found = hashlib.sha256(raw).hexdigest()
    if found != listed.sha256:
        raise IntegrityError(
            "index-mismatch",
            "The package index is not the one that the signed release file lists.",
            where=_where(release, listed),
            expected=listed.sha256,
            found=found,
            hint="the mirror may be in the middle of an update: try again in some minutes, or use another mirror",
        )
    return raw


def _where(release: Release, listed: IndexFile) -> str:
    return f"{release.suite.archive} {release.suite.suite} {listed.path}"


def _split(raw: bytes) -> Iterator[bytes]:
    """Inflate an index and cut it at empty lines, a piece at a time."""
    decompressor = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=1 << 27)
    rest, total = b"", 0
    chunk = decompressor.decompress(raw, _PIECE)
    while True:
        total += len(chunk)
        if total > _TEXT_LIMIT:
            raise ValueError(f"more than {_TEXT_LIMIT} bytes of text")
        *stanzas, rest = (rest + chunk).split(b"\n\n")
        yield from (stanza for stanza in stanzas if stanza.strip())
        if decompressor.eof:
            break
        if decompressor.needs_input:
            raise ValueError("it ends early")
        chunk = decompressor.decompress(b"", _PIECE)
    if rest.strip():
        yield rest


def _field(stanza: bytes, name: bytes) -> str:
    """Return a field of one line without parsing the whole stanza."""
    marker = name + b": "
    start = 0 if stanza.startswith(marker) else stanza.find(b"\n" + marker) + 1
    if start == 0 and not stanza.startswith(marker):
        raise ValueError(f"a stanza without {name.decode()}")
    end = stanza.find(b"\n", start)
    return stanza[start + len(marker) : end if end >= 0 else None].decode("utf-8")
