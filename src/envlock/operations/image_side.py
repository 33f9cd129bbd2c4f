"""An image as a side of `diff`: by the lock that it holds, or by what is installed in somebody else's."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from envlock import __version__
from envlock.errors import IntegrityError, UnverifiableError, UsageError
from envlock.formats.pylock import parse_lock
from envlock.image.oci import LABEL_LOCK
from envlock.model.edges import Progress, Registry
from envlock.model.observation import Environment, ImageFact, Observation
from envlock.model.platform import Platform
from envlock.model.report import Report
from envlock.model.side import Side
from envlock.model.unknown import Unknown
from envlock.observe.engine_image import observe_engine_image
from envlock.observe.image import observe_image
from envlock.operations.report_installed import installed, startup
from envlock.operations.report_redaction import redacted_report
from envlock.operations.verify_image import Engines, find_image, is_image_id, observe_archive_file


def image_side(
    reference: str,
    name: str,
    *,
    platforms: Sequence[Platform],
    registry: Callable[[], Registry],
    engines: Engines,
    progress: Progress,
    now: datetime.datetime,
) -> Side:
    """Return what an image says; nothing of it is run or kept.

    Of an image of ours in a layout or a registry no more than its documents and the layer of its lock is read. All
    others are streamed once, as a whole.

    Args:
        reference: ``oci:DIR[:TAG]``, ``docker-archive:FILE[:TAG]``, ``engine:NAME``, an image ID, or of a registry.
        name: what output calls it.
        platforms: of an image of several platforms the first of these is meant that is there.

    Raises UsageError (what finding the image raises), IntegrityError (`bad-image`) and UnverifiableError
    (`no-lock-layer`).
    """
    kind, _, place = reference.partition(":")
    if kind == "engine" or is_image_id(reference):
        wanted = place if kind == "engine" else reference
        with engines() as engine:
            observed = observe_engine_image(engine, wanted, full=True, progress=progress, shown=name)
    elif kind == "docker-archive":
        observed = observe_archive_file(place, name, progress)
    else:
        observed = _observed(reference, name, platforms, registry, progress)
    return _side(observed, name, now)


def _observed(
    reference: str, name: str, platforms: Sequence[Platform], registry: Callable[[], Registry], progress: Progress
) -> Observation:
    """Look at the documents, and into the layers where there is no lock among them."""
    find = find_image(reference, tuple(platforms), "", registry)
    try:
        observed = observe_image(find, name=name, full=False, progress=progress)
    except UsageError as error:
        if error.reference == "several-images":
            whole = reference if reference.startswith("oci:") else reference.partition("@")[0]
            error.hint = f"Say which one: {whole}{':TAG' if whole.startswith('oci:') else '@sha256:DIGEST'}"
        raise
    if observed.image is not None and observed.image.lock is None and not observed.image.contradictions:
        return observe_image(find, name=name, full=True, progress=progress)
    return observed


def _side(observed: Observation, name: str, now: datetime.datetime) -> Side:
    image = observed.image
    assert image is not None
    if image.contradictions:
        raise IntegrityError(
            "bad-image", "The image contradicts itself.", where=name, found="; ".join(image.contradictions)
        )
    if isinstance(image.lock, Unknown):
        raise UnverifiableError(
            "no-lock-layer", "The lock in the image cannot be read.", where=name, found=image.lock.reason
        )
    if image.lock is not None:
        lock_file = parse_lock(image.lock, f"the lock in {name}")
        _refuse_another(image, lock_file.digest, name)
        return Side(name=name, kind="image", lock=lock_file, platform=image.platform)
    return Side(name=name, kind="image", report=_report_of(observed, now), platform=image.platform)


def _refuse_another(image: ImageFact, digest: str, name: str) -> None:
    """Raise IntegrityError where an image says that it is of another lock than the one that is in it."""
    said = image.labels.get(LABEL_LOCK)
    if said is not None and said != f"sha256:{digest}":
        raise IntegrityError(
            "bad-image",
            "The image holds another lock than the one that it says it is of.",
            where=name,
            expected=said,
            found=f"sha256:{digest}",
        )


def _report_of(observed: Observation, now: datetime.datetime) -> Report:
    """Return what was seen in an image in the form of a report."""
    environment = observed.environment
    unseen = environment if isinstance(environment, Unknown) else Unknown(reason="no environment was found in it")
    seen = environment if isinstance(environment, Environment) else None
    report = Report(
        envlock=__version__,
        created=now.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        full=seen is not None,
        interpreter=seen.interpreter if seen is not None else unseen,
        distributions=tuple(installed(seen)) if seen is not None else unseen,
        startup=tuple(startup(_read(seen))) if seen is not None else (),
        variables=observed.variables,
    )
    return redacted_report(report, ())


def _read(environment: Environment) -> Environment:
    """Return an environment of the files alone that were read: nobody may look for others on this machine."""
    read = {path: file for path, file in environment.files.items() if file.sha256 or file.content is not None}
    return replace(environment, files=read)
