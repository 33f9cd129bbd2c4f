"""Observes a container: the image that it was made of, what it changed of it, and what its programs start with."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from envlock.errors import IntegrityError, UnverifiableError, UsageError
from envlock.formats.layer_reader import read_layer
from envlock.model.edges import ContainerEngine, Progress, counted
from envlock.model.engine import Change, EngineContainer, EngineImage
from envlock.model.factors import variables_of
from envlock.model.observation import ContainerFact, Environment, ImageFact, Observation, Unknown
from envlock.observe.engine_image import fact_of
from envlock.observe.image_files import Node, Start
from envlock.observe.layers import laid_out, node_of

_SYSTEM_BINS = frozenset({"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"})


def observe_container(
    engine: ContainerEngine,
    name: str,
    *,
    full: bool,
    progress: Progress,
    locked: Mapping[str, str] = MappingProxyType({}),
) -> Observation:
    """Look at a container, running or not, by its name or ID.

    Quick: what the Engine says of it, of its image and of changed files; where it runs, a Python inside is asked what
    machine it sees. `full` reads its whole file system, once, as a stream.
    Raises UsageError (`no-container`, `engine-failed`).
    """
    container = engine.container(name)
    image, fact = _image_of(engine, container)
    return Observation(
        target=name,
        full=full,
        environment=_environment(engine, container, image, progress) if full else None,
        image=fact,
        container=ContainerFact(
            running=container.running,
            changes=tuple(_files(container.changes)),
            mounts=container.mounts,
            folders=tuple(dict.fromkeys(_folders(container.variables))),
            first=_first_of(image, container),
        ),
        machine=engine.machine(container.container_id) if container.running else None,
        variables=variables_of(container.variables, "container", locked=locked),
    )


def _image_of(engine: ContainerEngine, container: EngineContainer) -> tuple[EngineImage | None, ImageFact]:
    """Return the image of a container, and what is known of it where the Engine no longer has it."""
    name = container.image_id
    try:
        image = engine.image(name)
    except UsageError as error:
        if error.reference != "no-image":
            raise
        unread = Unknown(reason="the Engine no longer has the image of the container")
        config = name.removeprefix("sha256:")
        return None, ImageFact(
            reference=name, platform=None, digest="", config=config, labels={}, layers=(), lock=unread
        )
    return image, fact_of(image, name)


def _environment(
    engine: ContainerEngine, container: EngineContainer, image: EngineImage | None, progress: Progress
) -> Environment | Unknown:
    nodes: list[tuple[str, Node]] = []
    try:
        with progress.task("Reading the container", unit="bytes") as task:
            stream = counted(engine.export(container.container_id), task)
            for entry, body in read_layer(stream, where="what the Engine exports"):
                if entry.path:
                    nodes.append((f"/{entry.path}", node_of(entry, body)))
    except (IntegrityError, UnverifiableError) as error:
        return Unknown(reason=f"{error.what} {error.found}".strip())
    start = Start(
        system=image.system if image is not None else "linux",
        architecture=image.architecture if image is not None else "",
        variables=container.variables,
    )
    return laid_out([nodes], start)[0]


def _files(changes: Iterable[Change]) -> Iterator[Change]:
    """Leave out the folders that are listed because something in them changed."""
    ordered = sorted(changes, key=lambda change: change.path)
    parents = {above for change in ordered for above in _above(change.path)}
    for change in ordered:
        if change.path not in parents or change.kind == "deleted":
            yield change


def _above(path: str) -> Iterator[str]:
    while (path := posixpath.dirname(path)) not in ("/", ""):
        yield path


def _first_of(image: EngineImage | None, container: EngineContainer) -> tuple[str, str] | None:
    """Return where `python` is looked for first, in the image and in the container, None where that is one folder."""
    if image is None or "PATH" not in image.variables:
        return None
    expected, found = (each.variables.get("PATH", "").partition(":")[0] for each in (image, container))
    return (expected, found) if expected.rstrip("/") != found.rstrip("/") else None


def _folders(variables: Mapping[str, str]) -> Iterator[str]:
    """Yield where programs load code from, beside the system's own folders."""
    if variables.get("VIRTUAL_ENV"):
        yield variables["VIRTUAL_ENV"].rstrip("/")
    for folder in variables.get("PATH", "").split(":"):
        if folder.startswith("/") and folder.endswith("/bin") and folder not in _SYSTEM_BINS:
            yield posixpath.dirname(folder)
    for name in ("PYTHONPATH", "LD_LIBRARY_PATH"):
        for folder in variables.get(name, "").split(":"):
            if folder.startswith("/") and folder.rstrip("/"):
                yield folder.rstrip("/")
