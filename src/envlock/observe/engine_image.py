"""Observes an image of an Engine: by what it says of the image, or by the whole of what it writes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from msgspec.structs import replace

from envlock.errors import IntegrityError
from envlock.formats.project import LABEL_SOURCE, comment_of
from envlock.model.edges import ContainerEngine, Progress, counted
from envlock.model.engine import EngineImage
from envlock.model.factors import variables_of
from envlock.model.observation import ImageFact, LayerFact, Observation, ProjectFact, Unknown
from envlock.observe.archive import ArchivedImage, ArchivedLayer, read_archive
from envlock.observe.image import broken, platform_of
from envlock.observe.layers import LOCK_PATH, image_files, start_of
from envlock.observe.project import ProjectFiles, destination_of, project_fact, tree_of

_UNREAD = Unknown(reason="an Engine shows what is in an image only as a whole")


def observe_engine_image(
    engine: ContainerEngine,
    name: str,
    *,
    full: bool,
    progress: Progress,
    shown: str = "",
    locked: Mapping[str, str] = MappingProxyType({}),
) -> Observation:
    """Look at an image of an Engine, by its name or ID; `shown` is what output calls it.

    Quick: what the Engine says of it. `full` reads all that it holds, once, as a stream.
    Raises UsageError (`no-image`, `engine-failed`).
    """
    image = engine.image(name)
    if not full:
        return Observation(
            target=shown or name,
            full=False,
            environment=None,
            image=fact_of(image, shown or name),
            variables=variables_of(image.variables, "image", locked=locked),
        )
    with progress.task("Reading the image", unit="bytes") as task:
        observation = observe_archive(
            counted(engine.save(image.image_id), task), name=shown or name, where=name, locked=locked
        )
    if not image.by_manifest and observation.image is not None:
        found = observation.image.config
        if f"sha256:{found}" != image.image_id:
            why = f"the Engine calls it {image.image_id}, and writes out sha256:{found}"
            return _with_contradiction(observation, why)
    return observation


def observe_archive(
    chunks: Iterator[bytes], *, name: str, where: str, tag: str = "", locked: Mapping[str, str] = MappingProxyType({})
) -> Observation:
    """Look at the image in an archive as `docker save` writes it; UsageError (`no-image`, `several-images`)."""
    try:
        archived = read_archive(chunks, where=where, tag=tag)
    except IntegrityError as error:
        why = f"{error.what} {error.found}".strip()
        return Observation(target=name, full=True, environment=None, image=broken(name, why))
    config = archived.config
    facts = tuple(_layer(layer, said) for layer, said in zip(archived.layers, config.rootfs.diff_ids, strict=True))
    nodes = [layer.nodes for layer in archived.layers if layer is not None]
    read = image_files(facts, nodes, start_of(config))
    lock, project = _top_of(archived)
    return Observation(
        target=name,
        full=True,
        environment=read.environment,
        variables=variables_of(config.variables, "image", locked=locked),
        image=ImageFact(
            reference=name,
            platform=platform_of(config.os, config.architecture),
            digest="",
            config=archived.config_digest.removeprefix("sha256:"),
            labels=config.labels,
            layers=facts,
            lock=lock,
            project=project,
            unclear=read.unclear,
        ),
    )


def fact_of(image: EngineImage, name: str) -> ImageFact:
    """Return an image as its Engine describes it: its lock is unread, its layers are known by their diff IDs."""
    source = image.labels.get(LABEL_SOURCE)
    workdir = image.workdir or "/"
    unread = Unknown(reason="the Engine shows the layer of its files only with all others")
    project = None
    if source is not None:
        project = ProjectFact(
            source=source.removeprefix("sha256:"),
            destination=workdir,
            environments=(),
            tree=unread,
            comment=comment_of(image.comment),
            roots=(workdir,),
        )
    return ImageFact(
        reference=name,
        platform=platform_of(image.system, image.architecture),
        digest="",
        # The manifest of a project image follows from nothing that is shown here.
        config="" if image.by_manifest and project is not None else image.image_id.removeprefix("sha256:"),
        labels=image.labels,
        layers=tuple(LayerFact(digest="", size=0, diff_id=one.removeprefix("sha256:")) for one in image.diff_ids),
        lock=_UNREAD,
        project=project,
    )


def _layer(layer: ArchivedLayer | None, said: str) -> LayerFact:
    """Hold a layer that was read against the diff ID that the configuration has for it."""
    diff_id = said.removeprefix("sha256:")
    if layer is None:
        return LayerFact(digest="", size=0, diff_id=diff_id, problem="not in the archive", missing=True)
    problem = layer.problem or (f"diff ID {layer.diff_id}" if layer.diff_id != said else "")
    return LayerFact(digest="", size=0, diff_id=diff_id, checked=not problem, problem=problem)


def _top_of(archived: ArchivedImage) -> tuple[bytes | None, ProjectFact | None]:
    """Return the lock, and the project files above it where there are any."""
    layers = archived.layers
    if LABEL_SOURCE in archived.config.labels and len(layers) > 1 and (lock := _lock_in(layers[-2])) is not None:
        found = ProjectFiles(destination_of(archived.config))
        for entry, sha256 in layers[-1].entries if layers[-1] is not None else ():
            found.add(entry, sha256)
        return lock, project_fact(archived.config, found, tree_of(found), ())
    return _lock_in(layers[-1] if layers else None), None


def _lock_in(layer: ArchivedLayer | None) -> bytes | None:
    """Return the lock that is the only file of a layer."""
    files = [(path, node) for path, node in layer.nodes if node.kind != "dir"] if layer is not None else []
    if len(files) != 1 or not LOCK_PATH.fullmatch(files[0][0].lstrip("/")):
        return None
    return files[0][1].content


def _with_contradiction(observation: Observation, why: str) -> Observation:
    assert observation.image is not None
    return replace(observation, image=replace(observation.image, contradictions=(why,)))
