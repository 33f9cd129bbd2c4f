"""Proves the installed files of one package against its locked wheel, or names the files that contradict it.

A package is proven by the `contents` digest alone, which needs nothing but the lock. Only where it does not match is
the wheel's own RECORD looked for, known by its digest, to say which file it is; without it the installed RECORD names
what it can, and the package stays contradicted whatever that RECORD says.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Literal

import msgspec

from envlock.formats.contents import MAGIC, Row, contents_digest
from envlock.formats.dist_info import read_generator, read_tags
from envlock.formats.launcher import any_body, body_of
from envlock.formats.record import Record, RecordRow, parse_record
from envlock.model.artifact import Wheel
from envlock.model.observation import Distribution, Environment, File
from envlock.verify.claim import Claim, installed_path, placed

_TAG = re.compile(r"[a-z0-9_]+-[a-z0-9_]+-[a-z0-9_]+")
State = Literal["proven", "contradicted", "rebuilt", "unproven"]


class Blemish(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a package that is not as its wheel has it."""

    path: str
    """Absolute in the target; the package's RECORD where no file could be named."""
    kind: Literal["changed", "missing", "added", "unnamed", "unreadable"]
    expected: str = ""
    found: str = ""
    covered: bool = False
    """Whether the installed RECORD agrees with the file: somebody rewrote it too."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome for one package."""

    distribution: Distribution
    wheel: Wheel
    claim: Claim
    state: State
    reason: str = ""
    blemishes: tuple[Blemish, ...] = ()
    shebangs: tuple[str, ...] = ()
    """Scripts whose body is the wheel's while their first line is none that an installer writes here."""
    files: int = 0
    size: int = 0


def prove(
    wheel: Wheel,
    distribution: Distribution,
    claim: Claim,
    environment: Environment,
    *,
    shebangs: Iterable[bytes],
    unclaimed: Iterable[str],
    locked_record: bytes | None = None,
) -> Proof:
    """Judge the bytes of one package.

    Args:
        shebangs: the first lines that name an interpreter of this target.
        unclaimed: files that no RECORD lists, tried where the installed RECORD is damaged.
        locked_record: the wheel's own RECORD, its digest already checked, if it could be had.
    """
    known = tuple(shebangs)
    proof = _Attempt(wheel, distribution, claim, environment, known)
    for any_shebang, bytecode, as_data in product((False, True), (False, True), (False, True)):
        paths = list(claim.payload(bytecode=bytecode))
        if proof.matches(paths, any_shebang=any_shebang, as_data=as_data):
            return proof.proven(paths, any_shebang=any_shebang)
    paths = list(claim.payload(bytecode=True))
    shipped = any(path.endswith(".pyc") for path in paths)
    for any_shebang, as_data in product((False, True), (False, True)) if shipped else ():
        if proof.matches(paths, any_shebang=any_shebang, as_data=as_data, recompiled=True):
            return proof.proven([p for p in paths if not p.endswith(".pyc")], any_shebang=any_shebang)
    spare = sorted(unclaimed)
    paths = [p for p in claim.payload() if p in environment.files]
    for extra in _repairs(paths, spare, distribution):
        if proof.matches([*paths, *extra], any_shebang=False, as_data=False):
            return proof.proven([*paths, *extra], any_shebang=False)
    if locked_record is not None:
        return proof.by_locked_record(parse_record(locked_record))
    return proof.by_installed_record()


def _repairs(paths: list[str], spare: list[str], distribution: Distribution) -> Iterator[list[str]]:
    """Yield unclaimed files that a damaged RECORD may have lost: all in the package's folders, then one more."""
    site = posixpath.dirname(distribution.folder)
    tops = {path[len(site) + 1 :].split("/", 1)[0] for path in paths if path.startswith(f"{site}/")}
    inside = [p for p in spare if not p.endswith(".pyc") and p[len(site) + 1 :].split("/", 1)[0] in tops]
    yield []
    if inside:
        yield inside
    others = [p for p in spare if p not in inside and not p.endswith(".pyc")]
    for path in others[:64]:
        yield [*inside, path]


class _Attempt:
    """One package under examination."""

    def __init__(
        self, wheel: Wheel, distribution: Distribution, claim: Claim, environment: Environment, known: tuple[bytes, ...]
    ) -> None:
        self.wheel = wheel
        self.distribution = distribution
        self.claim = claim
        self.files = environment.files
        self.layout = environment.layout
        self.site = posixpath.dirname(distribution.folder)
        self.known = known

    def matches(self, paths: Iterable[str], *, any_shebang: bool, as_data: bool, recompiled: bool = False) -> bool:
        """Tell whether these files have the wheel's `contents` digest.

        `recompiled`: a .pyc counts as RECORD says it was, for Python may have written it anew or somebody deleted it;
        what is there now is judged by its source (bytecode-altered).
        """
        rows = []
        for path in paths:
            file = self.files.get(path)
            row = self.claim.rows[path] if recompiled and path.endswith(".pyc") else None
            if row is not None and row.sha256 is not None and row.size is not None:
                place = placed(path, self.site, self.layout, as_data=as_data)
                rows += [Row(*place, row.sha256, row.size)] if place is not None else []
                continue
            if file is None or file.problem or not file.sha256:
                return False
            place = placed(path, self.site, self.layout, as_data=as_data)
            if place is None:
                return False
            rows.append(self._row(*place, file, any_shebang))
        return contents_digest(rows) == self.wheel.contents

    def _row(self, scheme: str, path: str, file: File, any_shebang: bool) -> Row:
        body = None
        if scheme == "scripts" and file.content is not None and file.content.startswith(b"#!"):
            body = body_of(file.content, self.known)
            if body is None and any_shebang:
                body = any_body(file.content)
        if body is None:
            return Row(scheme, path, file.sha256, file.size)
        return Row(scheme, path, hashlib.sha256(body).hexdigest(), len(body))

    def proven(self, paths: list[str], *, any_shebang: bool) -> Proof:
        """Return the proof of a package whose contents match."""
        bad = []
        if any_shebang:
            folder = self.layout.scripts
            for path in paths:
                content = self.files[path].content
                if posixpath.dirname(path) == folder and content and body_of(content, self.known) is None:
                    bad.append(path)
        return self._proof("proven", shebangs=tuple(bad), paths=paths)

    def by_locked_record(self, locked: Record) -> Proof:
        """Compare file by file with what the locked wheel holds."""
        blemishes: list[Blemish] = []
        shebangs: list[str] = []
        expected_paths: set[str] = set()
        info = posixpath.basename(self.distribution.folder)
        for row in locked.rows:
            path = installed_path(row.path, info, self.site, self.layout, self.distribution.name)
            if path in self.claim.notes or row.sha256 is None:
                continue
            expected_paths.add(path)
            file = self.files.get(path)
            if reason := self._unreadable(path):
                blemishes.append(Blemish(path=path, kind="unreadable", expected=f"sha256 {row.sha256}", found=reason))
            elif file is None:
                blemishes.append(Blemish(path=path, kind="missing", expected=f"sha256 {row.sha256}"))
            elif file.problem:
                blemishes.append(self._changed(path, file, row.sha256))
            elif file.sha256 != row.sha256:
                body = self._script_of(row, file)
                if body is None:
                    blemishes.append(self._changed(path, file, row.sha256))
                elif body is False:
                    shebangs.append(path)
        blemishes += [
            Blemish(path=path, kind="added", expected="not in the locked wheel", found="listed in RECORD")
            for path in self.claim.payload()
            if path not in expected_paths and path in self.files
        ]
        if self.claim.record is None and any(b.kind == "missing" for b in blemishes):
            return self._proof("unproven", "it has no RECORD to say where its files outside site-packages are")
        if not blemishes:
            return self._proof("proven", shebangs=tuple(shebangs), paths=list(expected_paths))
        if reason := _only_unreadable(blemishes):
            return self._proof("unproven", reason, tuple(blemishes))
        reason = self._rebuilt(blemishes, len(expected_paths))
        return self._proof("rebuilt" if reason else "contradicted", reason, tuple(blemishes), tuple(shebangs))

    def _script_of(self, row: RecordRow, file: File) -> bool | None:
        """Tell whether a script is the wheel's behind a known first line (True), a foreign one (False), or neither."""
        if ".data/scripts/" not in row.path or not file.content or not file.content.startswith(b"#!"):
            return None
        known = body_of(file.content, self.known)
        body = known if known is not None else any_body(file.content)
        return known is not None if row.sha256 in original_digests(body) else None

    def by_installed_record(self) -> Proof:
        """Name what the installed RECORD itself contradicts; it may have been rewritten, so it can acquit nobody."""
        blemishes: list[Blemish] = []
        for path in self.claim.payload():
            row, file = self.claim.rows[path], self.files.get(path)
            if reason := self._unreadable(path):
                blemishes.append(Blemish(path=path, kind="unreadable", expected="listed in RECORD", found=reason))
            elif file is None:
                blemishes.append(Blemish(path=path, kind="missing", expected="listed in RECORD"))
            elif file.problem or (row.sha256 is not None and file.sha256 != row.sha256):
                blemishes.append(self._changed(path, file, row.sha256 or ""))
        if reason := _only_unreadable(blemishes):
            return self._proof("unproven", reason, tuple(blemishes))
        if blemishes:
            return self._proof("contradicted", blemishes=tuple(blemishes))
        if self.claim.record is None:
            return self._proof("unproven", "it has no RECORD, and the one of the locked wheel was not to be had")
        reason = self._foreign_build(compared=False)
        if reason:
            return self._proof("rebuilt", reason)
        unnamed = Blemish(
            path=f"{self.distribution.folder}/RECORD",
            kind="unnamed",
            expected=f"contents {self.wheel.contents}",
            found="RECORD agrees with other files than the locked wheel's",
            covered=True,
        )
        return self._proof("contradicted", blemishes=(unnamed,))

    def _unreadable(self, path: str) -> str:
        """Say why it is not known what a file holds, or whether it is there; empty where that is known."""
        while path.startswith((f"{self.layout.prefix}/", f"{self.site}/")):
            file = self.files.get(path)
            if file is not None and file.unreadable:
                return file.problem
            path = posixpath.dirname(path)
        return ""

    def _changed(self, path: str, file: File, expected: str) -> Blemish:
        row = self.claim.rows.get(path)
        return Blemish(
            path=path,
            kind="changed",
            expected=f"sha256 {expected}",
            found=file.problem or f"sha256 {file.sha256}",
            covered=row is not None and not file.problem and row.sha256 == file.sha256,
        )

    def _rebuilt(self, blemishes: list[Blemish], total: int) -> str:
        """Say why these differences are those of another build, or nothing where they are a tampered file's.

        Another build is consistent in itself, says so in WHEEL, and differs in more than that one file: the wheel of
        another Python or platform in its tags and extension modules alone.
        """
        reason = self._foreign_build(compared=True)
        if not reason or not all(b.covered or b.kind != "changed" for b in blemishes):
            return ""
        wheel, metadata = (f"{self.distribution.folder}/{name}" for name in ("WHEEL", "METADATA"))
        paths = {b.path for b in blemishes}
        if self.distribution.by_conda or (self._foreign_tags() and len(paths) > 1):
            return reason
        return reason if wheel in paths and (metadata in paths or len(paths) * 2 > total) else ""

    def _foreign_build(self, *, compared: bool) -> str:
        """Say how the metadata shows that another wheel was installed; empty where it does not.

        `compared`: WHEEL is known to differ from the locked one's, so that its generator says something.
        """
        if self.distribution.by_conda:
            return "installed by conda"
        file = self.files.get(f"{self.distribution.folder}/WHEEL")
        if file is None or file.content is None:
            return ""
        if tags := self._foreign_tags():
            return f"built as {', '.join(tags)}"
        generator = read_generator(file.content)
        return f"built by {generator}" if generator and compared else ""

    def _foreign_tags(self) -> list[str]:
        """Return the tags by which WHEEL is of another wheel than the locked one; none where it may be that one."""
        from packaging.utils import InvalidWheelFilename, parse_wheel_filename

        file = self.files.get(f"{self.distribution.folder}/WHEEL")
        try:
            locked = {str(tag) for tag in parse_wheel_filename(self.wheel.name)[3]}
        except InvalidWheelFilename:
            return []
        tags = read_tags(file.content) if file is not None and file.content is not None else ()
        plain = tags and all(_TAG.fullmatch(tag) for tag in tags)
        # One character away from the locked tag is a flipped byte rather than another build.
        return sorted(tags) if plain and not any(_near(tag, other) for tag in tags for other in locked) else []

    def _proof(
        self,
        state: State,
        reason: str = "",
        blemishes: tuple[Blemish, ...] = (),
        shebangs: tuple[str, ...] = (),
        paths: Iterable[str] = (),
    ) -> Proof:
        proven = [self.files[path] for path in paths]
        return Proof(
            distribution=self.distribution,
            wheel=self.wheel,
            claim=self.claim,
            state=state,
            reason=reason,
            blemishes=tuple(sorted(blemishes, key=lambda b: b.path)),
            shebangs=tuple(sorted(shebangs)),
            files=len(proven),
            size=sum(file.size for file in proven),
        )


def _only_unreadable(blemishes: Iterable[Blemish]) -> str:
    """Say which files could not be read, where nothing that could be read contradicts the wheel."""
    kinds = [b.kind for b in blemishes]
    if "unreadable" not in kinds or not {*kinds} <= {"unreadable", "missing"}:
        return ""
    first = min((b for b in blemishes if b.kind == "unreadable"), key=lambda b: b.path)
    count = kinds.count("unreadable")
    more = f"; and {count - 1} more files" if count > 1 else ""
    return f"{posixpath.basename(first.path)}: {first.found}{more}"


def _near(one: str, other: str) -> bool:
    return len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) <= 1


def original_digests(body: bytes) -> set[str]:
    """Return the sha256 that a script may have had in its wheel, before an installer wrote its first line."""
    lines = (MAGIC, MAGIC + b"3", MAGIC + b"w", MAGIC + b"\r")
    return {hashlib.sha256(line + b"\n" + body).hexdigest() for line in lines}
