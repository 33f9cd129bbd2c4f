"""`envlock verify`: a target is observed and judged against its lock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from envlock.errors import UsageError
from envlock.model.artifact import Wheel
from envlock.model.edges import Progress, Records, TargetInterpreter
from envlock.model.finding import Verdict
from envlock.model.lock import LockFile
from envlock.model.platform import Platform
from envlock.verify.case import Case, Located, PlannedDigest, Sums
from envlock.verify.judgement import verdict_of


def verify_environment(
    lock_file: LockFile,
    target: Path,
    *,
    folder: Path,
    interpreter: TargetInterpreter,
    records: Records,
    progress: Progress,
    full: bool = False,
    strict: bool = False,
    name: str = "",
    subject: str = "",
) -> Verdict:
    """Judge a virtual environment, or the environment of an interpreter.

    Args:
        target: a venv folder or a python.
        folder: of the lock file, where relative paths of wheels begin.
        records: asked for a wheel's RECORD only where a package could not be proven without.
        full: hash every file; else metadata and sizes.
        strict: warnings count as errors.
        name: how output calls the target.
        subject: what follows ``envlock verify`` in the commands that findings propose.

    Raises UsageError (`no-target`).
    """
    from envlock.observe.environment import observe_environment

    observation = observe_environment(target, interpreter, full=full, progress=progress, name=name)
    case = Case(lock_file, observation, records=records, locate=located_in(folder), progress=progress, subject=subject)
    return verdict_of(case, strict=strict)


def verify_image(
    lock_file: LockFile,
    reference: str,
    *,
    sums: Path,
    records: Records,
    progress: Progress,
    full: bool = False,
    strict: bool = False,
    subject: str = "",
) -> Verdict:
    """Judge an image of an OCI layout, ``oci:DIR``, without running, pulling or unpacking it.

    `sums` is envlock.sum. Raises UsageError (`unknown-image`, `no-layout`, `no-image`, `bad-sums`), IntegrityError
    (`sums-mismatch`) where envlock.sum contradicts itself.
    """
    from envlock.observe.image import observe_image

    scheme, colon, place = reference.partition(":")
    if scheme != "oci" or not colon or not place:
        raise UsageError(
            "unknown-image",
            "This kind of image cannot be verified yet.",
            expected="oci:DIR, the folder of an OCI layout",
            found=reference,
            hint="Write one: envlock build -o oci:DIR, or skopeo copy docker://IMAGE oci:DIR",
        )
    observation = observe_image(
        Path(place),
        name=reference,
        platforms=lock_file.lock.platforms,
        full=full,
        progress=progress,
        tag=f"lock-{lock_file.digest[:32]}",
    )
    platform = observation.image.platform if observation.image else None
    case = Case(
        lock_file,
        observation,
        sums=_sums(sums, lock_file, platform),
        records=records,
        progress=progress,
        subject=subject or f"{lock_file.lock.env} --image {reference}",
    )
    return verdict_of(case, strict=strict)


def _sums(path: Path, lock_file: LockFile, platform: Platform | None) -> Sums:
    """Read what envlock.sum says, and the layers that the lock's own image must have."""
    from envlock.image.sums import read_sums

    known = read_sums(path)
    plan: tuple[PlannedDigest, ...] = ()
    lock = lock_file.lock
    if lock.base is not None and lock.image is not None and platform in lock.platforms and platform is not None:
        from envlock.image.plan import plan_layers

        plan = tuple(
            PlannedDigest(
                title=layer.title, digest=_hex(known.layers[layer.key].digest) if layer.key in known.layers else ""
            )
            for layer in plan_layers(lock_file, platform)
        )
    return Sums(
        images={key: _hex(digest) for key, digest in known.images.items()},
        layers=frozenset(_hex(layer.digest) for layer in known.layers.values()),
        plan=plan,
    )


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def located_in(folder: Path) -> Callable[[Wheel], Located | None]:
    """Return how a wheel is found where the lock's `path` puts it."""

    def locate(wheel: Wheel) -> Located | None:
        if wheel.path is None:
            return None
        path = (folder / wheel.path).absolute()
        try:
            about = path.stat()
        except OSError:
            return Located(url=path.as_uri(), size=wheel.size, mtime_ns=0)
        return Located(url=path.as_uri(), size=about.st_size, mtime_ns=about.st_mtime_ns)

    return locate
