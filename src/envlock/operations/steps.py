"""The `run` steps of an image: executed once, when they are locked; what they changed is a locked blob from then on.

For whatever needs the blob afterwards (build, fetch, push) there is `run_layer_path`; only `lock` executes a step.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from envlock.errors import IntegrityError, UsageError
from envlock.formats.beside import copy_beside
from envlock.formats.oci import CONFIG, MANIFEST, Config, Execution, Manifest, RootFs
from envlock.formats.pylock import write_lock
from envlock.formats.sha256 import file_sha256
from envlock.formats.tar import MTIME
from envlock.image.docker_archive import docker_archive
from envlock.image.layer import Layer, write_layer
from envlock.image.oci import CREATED, Image, PlatformImage, blob_of, layer_descriptor
from envlock.image.plan import plan_layers
from envlock.locking.steps import read_difference
from envlock.model.edges import Artifacts, Ground, NoProgress
from envlock.model.lock import Base, ImageConfig, Lock, LockFile, RunLayer
from envlock.model.manifest import Environment
from envlock.model.platform import Platform, image_platforms
from envlock.operations.base_layers import base_documents
from envlock.operations.edges import Edges
from envlock.operations.materials import Brought, from_nowhere

NAME = "run.tar.gz"
_REPOSITORY = "localhost/envlock-run"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BELOW = ("registry", "base", "packages")
"""Kinds of the layers that steps are executed on: no virtual environment, no wheel."""


class Executed(msgspec.Struct, frozen=True, kw_only=True):
    """A base with the layers of its run steps, and what the user should know of them."""

    base: Base
    told: tuple[str, ...] = ()


def run_layer_of(base: Base, platform: Platform) -> RunLayer | None:
    """Return what run steps changed on a platform, None where the base has no steps."""
    return next((row for row in base.run_layers if row.platform == str(platform)), None)


def run_layer_path(
    lock: Lock, platform: Platform, folder: Path, artifacts: Artifacts, brought: Brought = from_nowhere
) -> Path:
    """Return the blob of a platform's run steps, its sha256 verified.

    It comes from the cache, from beside the lock (`folder` is the lock file's) or by `brought` from a registry.
    Raises IntegrityError (`not-the-locked-layer`) for other bytes beside the lock, and UsageError (`no-run-layer`)
    where the blob is in none of these places: only `lock` executes steps.
    """
    row = run_layer_of(lock.base, platform) if lock.base is not None else None
    if row is None:
        raise ValueError(f"{lock.env} has no run steps for {platform}")
    cached = artifacts.get(row.sha256, NAME)
    if cached is not None:
        return cached
    beside = folder / row.path
    if not beside.is_file():
        layer = Layer(digest=f"sha256:{row.sha256}", diff_id=row.diff_id, size=row.size)
        with NoProgress().task(NAME) as task:
            if brought(layer, artifacts.place(row.sha256, NAME), task) and (found := artifacts.get(row.sha256, NAME)):
                return found
        raise UsageError(
            "no-run-layer",
            f"What the run steps of {lock.env} changed is not on this machine, and building executes none of them.",
            where=f"lockfiles/{row.path}",
            expected=f"sha256 {row.sha256}, {row.size} bytes",
            hint="It is in the registry once somebody has pushed the image (`repository`); or bring it from whoever "
            "locked it: envlock fetch --to DIR there, --from DIR here; or lock its steps anew: envlock lock --os.",
        )
    sha256 = file_sha256(beside)
    if sha256 != row.sha256:
        raise IntegrityError(
            "not-the-locked-layer",
            "The file beside the lock is not what the run steps changed when they were locked.",
            where=str(beside),
            expected=f"sha256 {row.sha256}",
            found=f"sha256 {sha256}",
            hint="Delete it and run the command again: the right one is looked for elsewhere.",
        )
    return artifacts.put(beside, row.sha256, NAME)


def keep_beside(lock: Lock, folder: Path, artifacts: Artifacts) -> int:
    """Copy what run steps changed to its place beside the lock, and return how many files were not there.

    A cache may be emptied, and nothing else makes these bytes again.
    """
    placed = 0
    for row in lock.base.run_layers if lock.base is not None else ():
        blob = artifacts.get(row.sha256, NAME)
        if blob is not None and not (folder / row.path).is_file():
            copy_beside(blob, folder / row.path)
            placed += 1
    return placed


def with_steps(
    base: Base,
    environment: Environment,
    previous: Base | None,
    edges: Edges,
    *,
    renew: bool = False,
    rebuild: bool = False,
    no_build: bool = False,
    dry_run: bool = False,
) -> Executed:
    """Return a base with its run steps executed, once for each Linux platform.

    What the lock so far (`previous`) has for the same steps on the same base stays, unless it is to `renew`. With
    `rebuild` the steps are executed again to compare, and the locked layer stays all the same: steps may use the
    network, so another result proves nothing wrong. With `dry_run` nothing is executed, and the layers are missing.
    Raises UsageError (`run-refused` where `no_build`), and what `Steps.run` and building the base raise.
    """
    steps = environment.image.run if environment.image else ()
    plain = replace(base, run=(), run_layers=())
    if not steps:
        return Executed(base=plain)
    rows: list[RunLayer] = []
    told: list[str] = []
    for platform in image_platforms(environment.targets):
        kept = _kept(plain, steps, previous, platform)
        if kept is not None and not (renew or rebuild):
            rows.append(kept)
            continue
        if dry_run:
            told.append(f"{_count(steps)} of run would be executed in a container of the base, for {platform}")
            continue
        if no_build:
            raise UsageError(
                "run-refused",
                "The steps of `run` are not locked yet, and nothing may be executed.",
                where=f"[env.*.image] run, {platform}",
                expected="a lock that has what they changed",
                hint="Leave --no-build out, or take `run` out of the manifest.",
            )
        made, warnings = _execute(plain, platform, steps, environment, edges)
        told += warnings
        if kept is None or renew:
            rows.append(made)
            continue
        rows.append(kept)
        if made.sha256 == kept.sha256:
            told.append(f"run came out the same for {platform}: sha256 {kept.sha256}")
        else:
            told.append(
                f"run came out differently for {platform}: sha256 {made.sha256} now. The locked layer stays, "
                f"{kept.sha256}; envlock lock --os takes the new one"
            )
    return Executed(base=replace(plain, run=tuple(steps), run_layers=tuple(rows)), told=tuple(told))


def _kept(base: Base, steps: Sequence[str], previous: Base | None, platform: Platform) -> RunLayer | None:
    """Return the locked layer of a platform where neither the steps nor what they were executed on changed."""
    if previous is None or previous.run != tuple(steps) or _below(previous, platform) != _below(base, platform):
        return None
    return run_layer_of(previous, platform)


def _below(base: Base, platform: Platform) -> tuple[object, ...]:
    """Return what decides the layers that steps are executed on."""
    manifests = base.image.manifests if base.image else ()
    own = [row.digest for row in manifests if row.platform == str(platform)]
    return own, sorted(deb.sha256 for deb in base.of(platform)), base.effects


def _execute(
    base: Base, platform: Platform, steps: Sequence[str], environment: Environment, edges: Edges
) -> tuple[RunLayer, tuple[str, ...]]:
    """Execute the steps, and keep what they changed in the cache; returns what could not be kept besides."""
    with tempfile.TemporaryDirectory(dir=edges.artifacts.folder("built"), prefix=".run-") as scratch:
        ground = _ground(base, platform, environment, Path(scratch), edges)
        difference, blob = Path(scratch) / "difference.tar", Path(scratch) / NAME
        with edges.progress.task(f"Executing {_count(steps)} of run for {platform}") as task:
            edges.steps().run(ground, steps, difference, task)
            with read_difference(difference) as found:
                layer = write_layer(blob, found.members(), progress=task)
        sha256 = layer.digest.removeprefix("sha256:")
        edges.artifacts.put(blob, sha256, NAME)
    row = RunLayer(
        platform=str(platform),
        sha256=sha256,
        diff_id=layer.diff_id,
        size=layer.size,
        path=f"built/{sha256[:16]}/{NAME}",
    )
    return row, found.warnings


def _ground(base: Base, platform: Platform, environment: Environment, scratch: Path, edges: Edges) -> Ground:
    """Return the base and its OS packages as an image for an Engine; the layers are those that `build` makes."""
    from envlock.operations.image import build_image

    lock = Lock(
        env="run",
        python=environment.python,
        platforms=(platform,),
        packages=(),
        frameworks=(),
        as_of=None,
        image=ImageConfig(bytecode=environment.image.bytecode if environment.image else True),
        base=replace(base, build_packages=(), build_root=None),
    )
    lock_file = LockFile(lock=lock, raw=write_lock(lock))
    documents = base_documents(lock, platform, edges)
    # No line of envlock.sum comes of it: of these layers, it has those that the image is built of.
    built = build_image(lock_file, folder=scratch, sums=scratch / "envlock.sum", edges=edges, warn=lambda _: None)
    planned = plan_layers(lock_file, platform, documents)
    layers = [layer for plan, layer in zip(planned, built.of(platform).layers, strict=True) if plan.kind in _BELOW]
    variables = {"DEBIAN_FRONTEND": "noninteractive", "PATH": _PATH, "SOURCE_DATE_EPOCH": str(MTIME)}
    inherited = (documents.config.config.env if documents and documents.config.config else None) or ()
    paths = [line for line in inherited if line.startswith("PATH=") and line != "PATH="]
    variables |= dict(line.split("=", 1) for line in paths)
    image = _image_of(layers, built.files, platform, variables)
    one = image.of(platform)
    name = f"{_REPOSITORY}:{one.image_id.removeprefix('sha256:')[:32]}"

    def archive() -> Iterator[bytes]:
        return docker_archive(image, one, {name: name})

    return Ground(name=name, platform=platform, diff_ids=tuple(layer.diff_id for layer in layers), archive=archive)


def _image_of(
    layers: Sequence[Layer], files: Mapping[str, Path], platform: Platform, variables: Mapping[str, str]
) -> Image:
    """Return an image of these layers and variables, and nothing else."""
    config = blob_of(
        CONFIG,
        Config(
            architecture=platform.architecture,
            os=platform.os,
            created=CREATED,
            config=Execution(env=tuple(f"{name}={value}" for name, value in sorted(variables.items()))),
            rootfs=RootFs(type="layers", diff_ids=tuple(layer.diff_id for layer in layers)),
        ),
    )
    manifest = blob_of(
        MANIFEST,
        Manifest(
            schema_version=2,
            media_type=MANIFEST,
            config=config.descriptor,
            layers=tuple(layer_descriptor(layer) for layer in layers),
        ),
    )
    one = PlatformImage(platform=platform, layers=tuple(layers), config=config, manifest=manifest)
    return Image(lock_digest="", index=manifest, platforms=(one,), files=dict(files))


def _count(steps: Sequence[str]) -> str:
    return f"{len(steps)} step" + ("" if len(steps) == 1 else "s")
