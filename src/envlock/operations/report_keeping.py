"""Where a report goes: a file with its signature beside it, and the registry beside the image of its lock."""

from __future__ import annotations

import re
from pathlib import Path

from envlock.errors import UsageError
from envlock.formats.beside import write_beside, write_named
from envlock.formats.oci import Descriptor, parse_index, parse_manifest
from envlock.formats.sshsig import key_fingerprint
from envlock.image.oci import LABEL_LOCK
from envlock.model.edges import Registry
from envlock.model.manifest import Manifest
from envlock.model.reference import Reference, is_reference
from envlock.model.report import LockedAs
from envlock.operations.attest import REPORT, SSH_SIGNATURE, Attached, Attestation, Part, attach
from envlock.operations.documents import is_index
from envlock.operations.references import is_lock_tag, lock_tag, repository_of

SUFFIX = ".json"
SIGNATURE_SUFFIX = ".sig"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def kept_path(manifest: Manifest, env: str, name: str) -> Path:
    """Return where the project keeps the report of a teammate or machine; UsageError (`bad-report-name`)."""
    stem = name.removesuffix(SUFFIX)
    if not _NAME.fullmatch(stem):
        raise UsageError(
            "bad-report-name",
            "This cannot be the name of a kept report.",
            where=f"--as {name}",
            expected="at most 64 letters, digits, `.`, `_` and `-`, the first a letter or digit",
            found=name,
            hint="Take a name that teammates know, such as --as ana-laptop; to write elsewhere: -o FILE",
        )
    return manifest.reports_path(env) / f"{stem}{SUFFIX}"


def signature_path(path: Path) -> Path:
    """Return where the signature of a report is: beside it."""
    return path.with_name(path.name + SIGNATURE_SUFFIX)


def write_report(path: Path, raw: bytes, armored: bytes | None) -> None:
    """Write a report, and its signature beside it; an older signature, which would be wrong now, is taken away.

    A file of that name that is no SSH signature stays. Raises UsageError (`write-failed`).
    """
    beside = signature_path(path)
    try:
        write_named(path, raw)
        if armored is not None:
            write_named(beside, armored)
        elif path.is_file() and beside.is_file() and key_fingerprint(beside.read_bytes()) is not None:
            beside.unlink()
    except OSError as error:
        raise UsageError("write-failed", f"The report cannot be written: {error.strerror}.", where=str(path)) from None


def keep_bytes(reports: Path) -> Path | None:
    """Have git keep the bytes of reports on every system, else a signature would be of other ones.

    It is said in the folder that reports are kept in, below which nothing counts as code. Returns the file where it
    was not there yet.
    """
    path = reports / ".gitattributes"
    if path.exists() or not any((parent / ".git").exists() for parent in reports.parents):
        return None
    write_beside(path, b"** text eol=lf linguist-generated\n")
    return path


def image_of(manifest: Manifest | None, lock: LockedAs | None, text: str) -> Reference:
    """Return the image that a report shall stand beside.

    Args:
        lock: of the report.
        text: empty for the image that the tag of the lock names in the manifest's repository, a tag there (``v1`` or
            ``:v1``), or a whole reference.

    Raises UsageError (`no-lock`, `no-repository`, `bad-reference`).
    """
    if lock is None:
        raise _no_lock()
    if text and not text.startswith(":") and is_reference(text):
        return Reference.parse(text)
    repository = repository_of(manifest, lock.env) if manifest is not None else None
    if repository is None:
        raise UsageError(
            "no-repository",
            f"The manifest does not say where images of {lock.env!r} are.",
            where=f"[env.{lock.env}.image]",
            expected='repository = "registry.example.com/team/name"',
            hint="Add it, or name the image: --push registry.example.com/team/name:v1",
        )
    return Reference.parse(f"{repository.name}:{text.removeprefix(':') or f'lock-{lock.digest[:32]}'}")


def index_of_lock(registry: Registry, reference: Reference, lock: LockedAs) -> Descriptor:
    """Return the index of the image that a reference names, itself or one platform of it, which has to be of a lock.

    Raises UsageError (`no-image`, `other-lock`) and what the registry raises.
    """
    found = registry.find(reference)
    if found is None:
        tag = reference.tag if reference.tag is not None and not is_lock_tag(reference.tag) else None
        raise UsageError(
            "no-image",
            "There is no such image in the registry, and a report stands beside one.",
            where=str(reference),
            hint=f"Push it first: envlock push {lock.env}" + (f" -t {tag}" if tag is not None else ""),
        )
    raw, media_type, digest = registry.manifest(reference.at(found))
    shown = str(reference)
    annotations = (parse_index(raw, shown) if is_index(media_type) else parse_manifest(raw, shown)).annotations
    said = annotations.get(LABEL_LOCK, "")
    if said != f"sha256:{lock.digest}":
        raise UsageError(
            "other-lock",
            "The image is not of the lock that the report is made with.",
            where=shown,
            expected=f"sha256:{lock.digest}",
            found=said or "an image that names no lock",
            hint=f"Push the image of the lock as it is now: envlock push {lock.env}",
        )
    tag = None if is_index(media_type) else lock_tag(annotations)
    above = registry.find(reference.tagged(tag)) if tag is not None else None
    if above is not None:
        raw, media_type, digest = registry.manifest(reference.at(above))
    return Descriptor(media_type=media_type, digest=digest, size=len(raw))


def attach_report(
    registry: Registry, repository: Reference, subject: Descriptor, raw: bytes, armored: bytes | None, name: str
) -> Attached:
    """Make a report a referrer of the image of its lock, its signature with it; raises what the registry raises.

    Args:
        subject: see `index_of_lock`.
        name: the file name that tools which pull artifacts give it.
    """
    signature = None
    if armored is not None:
        signature = Part(media_type=SSH_SIGNATURE, title=name + SIGNATURE_SUFFIX, raw=armored)
    document = Part(media_type=REPORT, title=name, raw=raw)
    attestation = Attestation(kind="report", artifact_type=REPORT, document=document, signature=signature)
    (attached,) = attach(registry, repository, subject, [attestation])
    return attached


def _no_lock() -> UsageError:
    return UsageError(
        "no-lock",
        "A report stands beside the image of its lock, and here is no lock.",
        expected="an environment of a manifest that is locked",
        hint="Lock it: envlock lock; a report alone is a file: envlock report -o FILE",
    )
