"""`envlock verify --image`: an image is observed by its documents and layers, and judged against the lock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from envlock.errors import UnverifiableError, UsageError
from envlock.formats.oci import REF_NAME, Layout
from envlock.model.edges import Compiler, Progress
from envlock.model.finding import Verdict
from envlock.model.lock import LockFile
from envlock.model.observation import Environment, Observation
from envlock.model.platform import Platform
from envlock.model.terms import Terms
from envlock.operations.expected_image import Bases, expected_sums, planned_layers
from envlock.operations.verify import Witnesses
from envlock.verify.case import Case
from envlock.verify.judgement import verdict_of

Compilers = Callable[[Platform], AbstractContextManager[Compiler]]
"""Opens the image's own interpreter of a platform."""


def verify_image(
    lock_file: LockFile,
    reference: str,
    *,
    sums: Path,
    witnesses: Witnesses,
    terms: Terms,
    subject: str = "",
    bases: Bases = lambda _: None,
    compilers: Compilers | None = None,
) -> Verdict:
    """Judge an image of an OCI layout, ``oci:DIR[:TAG]``, without running, pulling or unpacking it.

    `sums` is envlock.sum, `bases` returns the documents of the lock's base from a registry where they are at hand.
    With `compilers` every module of an image of this lock is compiled again, which takes `full`.

    Raises UsageError (`unknown-image`, `no-layout`, `no-image`, `several-images`, `bad-sums`), UnverifiableError
    (`not-recompiled`, and what `compilers` raises), IntegrityError (`sums-mismatch`) where envlock.sum contradicts
    itself.
    """
    from envlock.observe.image import observe_image

    place, tags = _layout_of(reference, lock_file)
    observation = observe_image(
        place,
        name=reference,
        platforms=lock_file.lock.platforms,
        full=terms.full,
        progress=witnesses.progress,
        tags=tags,
    )
    if compilers is not None:
        observation = _recompiled(place, observation, lock_file, compilers, witnesses.progress)
    case = Case(
        lock_file,
        observation,
        sums=expected_sums(sums, lock_file, observation.image, bases),
        terms=terms,
        records=witnesses.records,
        progress=witnesses.progress,
        subject=subject or f"{lock_file.lock.env} --image {reference}",
    )
    return verdict_of(case)


def _recompiled(
    place: Path, observation: Observation, lock_file: LockFile, compilers: Compilers, progress: Progress
) -> Observation:
    """Return what was seen, with every .pyc held against what the image's own interpreter makes of its source."""
    from envlock.operations.recompile import recompiled

    image, environment = observation.image, observation.environment
    if (
        image is None
        or image.platform is None
        or image.lock != lock_file.raw
        or not isinstance(environment, Environment)
    ):
        raise UnverifiableError(
            "not-recompiled",
            "Only a whole image of this very lock can be compiled again: its interpreter is known.",
            where=observation.target,
            hint="See what else is wrong with it: leave --recompile out.",
        )
    with compilers(image.platform) as compiler:
        bytecode = recompiled(
            Layout(place),
            image.digest,
            lock_file,
            planned_layers(lock_file, image.platform, image.environment_layers),
            environment,
            compiler=compiler,
            progress=progress,
        )
    return msgspec.structs.replace(observation, environment=msgspec.structs.replace(environment, bytecode=bytecode))


def _layout_of(reference: str, lock_file: LockFile) -> tuple[Path, tuple[str, ...]]:
    """Return the folder that a reference names, and the tags that say which of its images is meant."""
    scheme, colon, place = reference.partition(":")
    if scheme != "oci" or not colon or not place:
        raise UsageError(
            "unknown-image",
            "This kind of image cannot be verified yet.",
            expected="oci:DIR, the folder of an OCI layout, or oci:DIR:TAG",
            found=reference,
            hint="Write one: envlock build -o oci:DIR, or of an image in a registry: envlock copy REF oci:DIR",
        )
    folder, colon, tag = place.rpartition(":")
    if Path(place).exists() or not colon or not Path(folder).is_dir():
        return Path(place), (f"lock-{lock_file.digest[:32]}",)
    tags = sorted({top.annotations.get(REF_NAME, "") for top in Layout(Path(folder)).top().manifests} - {""})
    if tag not in tags:
        raise UsageError(
            "no-image",
            f"The layout names no image {tag!r}.",
            where=folder,
            expected="one of: " + ", ".join(tags) if tags else "an image",
            found=tag,
        )
    return Path(folder), (tag,)
