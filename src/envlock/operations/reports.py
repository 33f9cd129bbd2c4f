"""Reads reports that others made: files, folders of them, and those beside an image; signatures before content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import msgspec

from envlock.errors import EnvlockError, IntegrityError, UnverifiableError, UsageError
from envlock.formats.report import parse_report
from envlock.model.edges import Registry, Signatures
from envlock.model.provenance import REPORT_NAMESPACE, Signature
from envlock.model.reference import Reference
from envlock.model.report import Report
from envlock.operations.attest import REPORT, SSH_SIGNATURE
from envlock.operations.documents import RegistryDocuments, manifest_of
from envlock.operations.report_keeping import signature_path

_LARGEST = 1 << 24
_LONGEST_SIGNATURE = 1 << 20
_AT_ONCE, _IN_MEMORY = 4, 32
"""Signatures that are checked side by side, and reports that wait for it."""
_MOST_REFERRERS = 1000
"""Anybody who may push may attach; more are not looked at."""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A report that may be believed, as far as its signer may be."""

    report: Report
    where: str
    """The file, or the image and the digest of the referrer."""
    signature: Signature | None = None
    """None where it is not signed."""

    @property
    def signer(self) -> str:
        """Who signed it, in words that say what that is worth; empty where nobody did."""
        if self.signature is None:
            return ""
        if self.signature.standing == "trusted":
            return f"signed by {self.signature.principal or self.signature.key}"
        return f"signed by {self.signature.key}, whom nobody here vouches for"


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """Whom signatures of reports are held against."""

    signatures: Signatures
    allowed: Path | None = None
    """A file of allowed signers (ssh-keygen(1))."""
    demanded: bool = False
    """Whether every report has to be signed by one of them."""
    unsigned: bool = False
    """Whether those without any signature are let through all the same."""


class _Raw(msgspec.Struct, frozen=True, kw_only=True):
    """A report's bytes, not believed yet."""

    raw: bytes
    armored: bytes | None
    where: str
    same: str
    """What it is the same report by, whatever it was named: a file, or the digest of a referrer."""


def open_reports(
    places: Sequence[str | Path], trust: Trust, *, registry: Callable[[], Registry] | None = None
) -> tuple[Opened, ...]:
    """Read every report of some files, folders (their ``*.json``) and images (what is attached to them), in order.

    A file that is named twice counts once. Raises IntegrityError (`wrong-signature`, `unsigned-report`,
    `unknown-signer`) that names all that are refused, UnverifiableError (`unchecked-signature`), and UsageError
    (`no-report`, and what `formats.report.parse_report` raises).
    """
    opened: dict[str, Opened] = {}
    refused: list[EnvlockError] = []
    unreadable: list[EnvlockError] = []
    for each, signature in _checks((raw for place in places for raw in _found(place, registry)), trust):
        if isinstance(signature, EnvlockError):
            refused.append(signature)
        elif each.same not in opened:
            try:
                report = parse_report(each.raw, each.where)
            except UsageError as error:
                unreadable.append(error)
            else:
                opened[each.same] = Opened(report=report, where=each.where, signature=signature)
    if refused:
        raise _together(refused)
    if unreadable:
        raise unreadable[0]
    return tuple(opened.values())


def parse_signed(raw: bytes, armored: bytes | None, where: str, trust: Trust) -> Opened:
    """Return a report whose bytes are at hand; errors are those of `open_reports`."""
    signature = _checked(raw, armored, where, trust)
    return Opened(report=parse_report(raw, where), where=where, signature=signature)


def _found(place: str | Path, registry: Callable[[], Registry] | None) -> Iterator[_Raw]:
    path = Path(place)
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise UsageError(
                "no-report",
                "The folder holds no report.",
                where=str(place),
                expected="files *.json",
                hint=_instead_of(path),
            )
        yield from map(_of_file, files)
    elif path.is_file() or registry is None or isinstance(place, Path) or path.suffix == ".json":
        yield _of_file(path)
    else:
        yield from _attached(place, registry())


def _instead_of(folder: Path) -> str:
    """Return what to name instead of a folder without reports: folders in it that hold some, such as reports/ENV."""
    inside = sorted({file.parent for file in folder.glob("*/*.json")})
    return f"Name a folder in it: {', '.join(map(str, inside[:5]))}" if inside else "Make one: envlock report -o FILE"


def _of_file(path: Path) -> _Raw:
    beside = signature_path(path)
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
        armored = _signature(beside) if beside.is_file() else None
    except OSError as error:
        raise UsageError(
            "no-report",
            f"The report cannot be read: {error.strerror}.",
            where=str(path),
            hint="Make one: envlock report -o FILE",
        ) from None
    return _Raw(raw=raw, armored=armored, where=str(path), same=str(path.resolve()))


def _signature(path: Path) -> bytes:
    """Return as much of a file as a signature has; one byte more of it is none."""
    with path.open("rb") as file:
        return file.read(_LONGEST_SIGNATURE + 1)


def _attached(place: str, registry: Registry) -> Iterator[_Raw]:
    """Yield the reports that refer to an image's index."""
    reference = Reference.parse(place)
    digest = registry.find(reference)
    if digest is None:
        raise UsageError("no-image", "The registry has no such image.", where=place)
    documents = RegistryDocuments(registry, reference)
    rows = [row for row in documents.referrers(digest) if row.artifact_type == REPORT][:_MOST_REFERRERS]
    for row in rows:
        manifest = manifest_of(documents, row)
        layers = [layer for layer in manifest.layers if layer.media_type == REPORT and layer.size <= _LARGEST]
        signatures = [layer for layer in manifest.layers if layer.media_type == SSH_SIGNATURE]
        where = f"{place}, attached as {row.digest}"
        if not layers or any(layer.size > _LONGEST_SIGNATURE for layer in signatures):
            raise UsageError("not-a-report", "What is attached there as a report is none.", where=where)
        armored = documents.raw(signatures[0]) if signatures else None
        yield _Raw(raw=documents.raw(layers[0]), armored=armored, where=where, same=row.digest)
    if not rows:
        raise UsageError(
            "no-report", "No report is attached to this image.", where=place, hint="Attach one: envlock report --push"
        )


def _checks(
    found: Iterator[_Raw], trust: Trust
) -> Iterator[tuple[_Raw, Signature | IntegrityError | UnverifiableError | None]]:
    """Yield reports with what their signatures prove, or why they are refused.

    Several are checked at a time, since each takes processes, and only some are in memory.
    """

    def check(each: _Raw) -> Signature | IntegrityError | UnverifiableError | None:
        try:
            return _checked(each.raw, each.armored, each.where, trust)
        except (IntegrityError, UnverifiableError) as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        while some := list(islice(found, _IN_MEMORY)):
            yield from zip(some, threads.map(check, some), strict=True)


def _checked(raw: bytes, armored: bytes | None, where: str, trust: Trust) -> Signature | None:
    """Return what a report's signature proves, None where it has none and needs none."""
    if armored is None:
        if trust.demanded and not trust.unsigned:
            raise IntegrityError(
                "unsigned-report",
                "The report is not signed, and this project wants every report to be.",
                where=where,
                expected="a signature beside it, by one of the allowed signers",
                hint="Have it signed: envlock report --sign KEY. To let it through all the same: --allow-unsigned",
            )
        return None
    signature = trust.signatures.check(raw, armored, trust.allowed, REPORT_NAMESPACE)
    if signature.standing == "wrong":
        raise IntegrityError(
            "wrong-signature",
            "The signature is not one over this report: one of them was changed after signing.",
            where=where,
            found=signature.why or signature.key,
            hint="Take both files from whoever made them, or have the report made and signed again.",
        )
    if trust.demanded and signature.standing == "unknown":
        raise IntegrityError(
            "unknown-signer",
            "The report is signed by a key that is not among the allowed signers.",
            where=where,
            expected=f"one that is allowed today, and for {REPORT_NAMESPACE}",
            found=signature.key,
            hint="If it is a teammate's, have the key added to lockfiles/allowed_signers.",
        )
    if signature.standing == "unreadable" or (trust.demanded and signature.standing != "trusted"):
        raise UnverifiableError(
            "unchecked-signature", "The report's signature could not be checked.", where=where, found=signature.why
        )
    return signature


def _together(refused: Sequence[EnvlockError]) -> EnvlockError:
    """Return one error for all that is refused: of several, the gravest kind with every report's reason."""
    worst = next((error for error in refused if isinstance(error, IntegrityError)), refused[0])
    if len(refused) == 1:
        return worst
    return type(worst)(
        worst.reference,
        f"{len(refused)} reports are refused.",
        found="\n".join(f"{error.where}: {error.what} [{error.reference}]" for error in refused),
        hint=worst.hint,
    )
