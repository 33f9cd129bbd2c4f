"""`envlock verify --image`: an image is observed by its documents and layers, and judged against the lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType

import msgspec

from envlock.errors import UnverifiableError, UsageError
from envlock.formats.oci import REF_NAME, Layout
from envlock.image.sums import read_sums
from envlock.model.edges import Compiler, ContainerEngine, Progress, Registry, counted
from envlock.model.finding import Verdict
from envlock.model.lock import LockFile
from envlock.model.observation import Environment, Observation, Unknown
from envlock.model.platform import Platform
from envlock.model.reference import Reference
from envlock.model.terms import Terms
from envlock.observe.sources import Find, ImageSource, LayoutImage, RegistryImage
from envlock.operations.expected_image import Bases, expected_sums, planned_layers
from envlock.operations.places import in_registry
from envlock.operations.verify import Witnesses, numbered
from envlock.verify.case import Case
from envlock.verify.judgement import verdict_of

Compilers = Callable[[Platform], AbstractContextManager[Compiler]]
"""Opens the image's own interpreter of a platform."""
Engines = Callable[[], AbstractContextManager[ContainerEngine]]
"""Connects to a Docker Engine or Podman; UsageError (`no-engine`)."""

_READ = 1 << 20


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
    registry: Callable[[], Registry] | None = None,
    engines: Engines | None = None,
) -> Verdict:
    """Judge an image without running or unpacking it, whoever made it.

    Args:
        reference: ``oci:DIR[:TAG]`` (an OCI layout), ``docker-archive:FILE[:TAG]``, ``engine:NAME`` or an image ID
            ``sha256:<hex>`` (an Engine's image), or else a reference of a registry, from which nothing is pulled.
        sums: envlock.sum.
        bases: returns the documents of the lock's base from a registry where they are at hand.
        compilers: with it every module of an image of this lock is compiled again, which takes `full`, and an image of
            a layout or a registry.
        registry: opens registries.

    Raises UsageError (`no-layout`, `no-image`, `several-images`, `no-engine`, `bad-reference`, `bad-sums`, and what a
    registry that cannot be used raises), UnverifiableError (`not-recompiled`, and what `compilers` raises),
    IntegrityError (`sums-mismatch`) where envlock.sum contradicts itself.
    """
    from envlock.observe.image import observe_image

    locked = locked_variables(lock_file)
    kind, _, place = reference.partition(":")
    if kind == "engine" or is_image_id(reference):
        if engines is None:
            raise _not_here(reference)
        from envlock.observe.engine_image import observe_engine_image

        with engines() as engine:
            observation = observe_engine_image(
                engine,
                place if kind == "engine" else reference,
                full=terms.full,
                progress=witnesses.progress,
                shown=reference,
                locked=locked,
            )
    elif kind == "docker-archive":
        observation = observe_archive_file(place, reference, witnesses.progress, locked)
    else:
        own = f"lock-{lock_file.digest[:32]}"
        find = find_image(reference, lock_file.lock.platforms, own, registry)
        observation = observe_image(
            find,
            name=reference,
            full=terms.full,
            progress=witnesses.progress,
            known=_known(lock_file, sums),
            locked=locked,
        )
        if kind == "oci":
            observation = _named(observation, *_layout_of(reference.removeprefix("oci:"), own))
        else:
            assert registry is not None
            observation = _with_tag(observation, in_registry(reference), registry())
        if compilers is not None:
            observation = _recompiled(find, observation, lock_file, compilers, witnesses.progress)
    if compilers is not None and observation.image is not None and not observation.image.digest:
        raise _not_recompiled(observation, "Only an image of a layout or a registry can be compiled again.")
    observation, terms = numbered(lock_file, observation, terms, witnesses)
    case = image_case(lock_file, observation, sums=sums, bases=bases, witnesses=witnesses, terms=terms, subject=subject)
    return verdict_of(case)


def image_case(
    lock_file: LockFile,
    observation: Observation,
    *,
    sums: Path,
    bases: Bases,
    witnesses: Witnesses,
    terms: Terms,
    subject: str = "",
) -> Case:
    """Return an observed image beside its lock and all that envlock.sum says of it."""
    expected = expected_sums(sums, lock_file, observation.image, bases)
    image = observation.image
    if image is not None and not image.digest and image.config and isinstance(image.lock, Unknown):
        # An Engine shows no layer of its own, but their diff IDs: the one of this very lock's layer says what is in it.
        own = expected.plan[-1].diff_id if expected.plan else ""
        if own and own in (layer.diff_id for layer in image.environment_layers[-1:]):
            observation = msgspec.structs.replace(observation, image=msgspec.structs.replace(image, lock=lock_file.raw))
    return Case(
        lock_file,
        observation,
        sums=expected,
        terms=terms,
        records=witnesses.records,
        progress=witnesses.progress,
        subject=subject or f"{lock_file.lock.env} --image {observation.target}",
    )


def locked_variables(lock_file: LockFile) -> dict[str, str]:
    """Return the variables that a lock sets in its image."""
    image = lock_file.lock.image
    return (dict(image.env) if image is not None else {}) | lock_file.lock.settings.variables


def is_image_id(reference: str) -> bool:
    """Tell the ID of an image of an Engine from a reference of a registry."""
    name, colon, digest = reference.partition(":")
    return bool(colon) and name == "sha256" and len(digest) == 64 and not digest.strip("0123456789abcdef")


def find_image(
    reference: str, platforms: Sequence[Platform], own: str, registry: Callable[[], Registry] | None
) -> Find:
    """Return how an image of a layout or a registry is found; it is found once, however often that is asked.

    Args:
        platforms: the one of the first of them is meant that is there.
        own: the name of the image that is meant in a layout where the reference names none.

    Raises UsageError (`no-image`, `no-layout`, `bad-reference`, `unknown-image`).
    """
    if reference.startswith("oci:"):
        place, tags = _layout_of(reference.removeprefix("oci:"), own)
        return lambda: LayoutImage(Layout(place), platforms, tags)
    parsed = in_registry(reference)
    if registry is None:
        raise _not_here(reference)
    found: list[ImageSource] = []

    def find() -> ImageSource:
        if not found:
            found.append(RegistryImage(registry(), parsed, platforms))
        return found[0]

    return find


def _known(lock_file: LockFile, sums: Path) -> dict[str, bytes]:
    """Return the lock by the digests of its images, as envlock.sum has them."""
    return {
        digest.removeprefix("sha256:"): lock_file.raw
        for (lock, _), digest in read_sums(sums).images.items()
        if lock == lock_file.digest
    }


def _named(observation: Observation, place: Path, tags: tuple[str, ...]) -> Observation:
    """Add the tag by which an image of a layout was asked for."""
    if observation.image is None or observation.target != f"oci:{place}:{tags[0]}":
        return observation
    return msgspec.structs.replace(observation, image=msgspec.structs.replace(observation.image, tag=tags[0]))


def _with_tag(observation: Observation, reference: Reference, registry: Registry) -> Observation:
    """Add the tag, and where it was asked for beside a digest, what it names now."""
    image = observation.image
    if image is None or reference.tag is None:
        return observation
    moved = ""
    if reference.digest is not None:
        found = registry.find(reference.tagged(reference.tag)) or ""
        moved = (found.removeprefix("sha256:") or "nothing") if found != reference.digest else ""
    return msgspec.structs.replace(observation, image=msgspec.structs.replace(image, tag=reference.tag, moved=moved))


def observe_archive_file(
    place: str, reference: str, progress: Progress, locked: Mapping[str, str] = MappingProxyType({})
) -> Observation:
    """Look at an archive of `docker save`, wholly: nothing in it says beforehand where what is.

    Args:
        place: ``FILE[:TAG]``.
        reference: what output calls it.
        locked: variables that a lock sets, see `model.factors.variables_of`.

    Raises UsageError (`no-image`, `several-images`).
    """
    from envlock.observe.engine_image import observe_archive

    file, _, tag = place.partition(":")
    path = Path(file)
    try:
        with (
            path.open("rb", buffering=0) as opened,
            progress.task("Reading the archive", path.stat().st_size, unit="bytes") as task,
        ):
            chunks = counted(iter(lambda: opened.read(_READ), b""), task)
            return observe_archive(chunks, name=reference, where=file, tag=tag, locked=locked)
    except OSError as error:
        raise UsageError(
            "no-image",
            "The archive cannot be read.",
            where=file,
            found=error.strerror or str(error),
            hint="Write one: envlock build -o docker-archive:FILE, or docker save -o FILE IMAGE",
        ) from None


def _recompiled(
    find: Find, observation: Observation, lock_file: LockFile, compilers: Compilers, progress: Progress
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
        raise _not_recompiled(
            observation, "Only a whole image of this very lock can be compiled again: its interpreter is known."
        )
    with compilers(image.platform) as compiler:
        bytecode = recompiled(
            find(),
            lock_file,
            planned_layers(lock_file, image.platform, image.environment_layers),
            environment,
            compiler=compiler,
            progress=progress,
        )
    return msgspec.structs.replace(observation, environment=msgspec.structs.replace(environment, bytecode=bytecode))


def _not_recompiled(observation: Observation, why: str) -> UnverifiableError:
    return UnverifiableError(
        "not-recompiled", why, where=observation.target, hint="See what else is wrong with it: leave --recompile out."
    )


def _not_here(reference: str) -> UsageError:
    return UsageError(
        "unknown-image",
        "This kind of image cannot be reached here.",
        expected="oci:DIR[:TAG], or docker-archive:FILE[:TAG]",
        found=reference,
    )


def _layout_of(place: str, own: str) -> tuple[Path, tuple[str, ...]]:
    """Return the folder that ``DIR[:TAG]`` names, and the tags that say which of its images is meant."""
    folder, colon, tag = place.rpartition(":")
    if not place or Path(place).exists() or not colon or not Path(folder).is_dir():
        return Path(place), (own,)
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
