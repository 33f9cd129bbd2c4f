"""Puts adapters and operations together, in one place."""

from __future__ import annotations

import datetime
import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from envlock.errors import UsageError
from envlock.model.manifest import Manifest
from envlock.model.manifest_parser import find_manifest
from envlock.model.platform import Platform

if TYPE_CHECKING:
    from envlock.model.edges import Progress, Registry, Sandbox, Steps
    from envlock.model.index import Indexes
    from envlock.operations.edges import Edges


def manifest_here() -> Manifest:
    """Read the manifest of the working directory or the nearest folder above it."""
    return find_manifest(Path.cwd())


def manifest_if_any(*, required: bool = False) -> Manifest | None:
    """Return the manifest of the project that this is run in; None outside of any, unless it is `required`."""
    try:
        return manifest_here()
    except UsageError as error:
        if required or error.reference != "no-manifest":
            raise
        return None


def edges_of(ctx: click.Context, manifest: Manifest | None = None) -> Edges:
    """Wire this machine's edges; a manifest says which package indexes count, beside this machine's settings."""
    from envlock.adapters.indexes import read_indexes
    from envlock.cli.progress import progress_for

    options: dict[str, Any] = ctx.obj
    indexes = read_indexes(manifest.indexes, manifest.folder) if manifest else read_indexes((), Path.cwd())
    said = _quietly if options["quiet"] else _say_of_step
    return wire(indexes, progress_for(quiet=options["quiet"]), offline=options["offline"], said=said)


def wire(
    indexes: Indexes, progress: Progress, *, offline: bool = False, said: Callable[[str], None] = lambda _: None
) -> Edges:
    """Put every adapter where operations expect its edge; `said` is told what `run` steps print, line by line."""
    from envlock.adapters.allowed_sandbox import AllowedSandbox
    from envlock.adapters.apt import apt_here
    from envlock.adapters.bytecode import RootCompiler
    from envlock.adapters.cache import Cache
    from envlock.adapters.credentials import Credentials
    from envlock.adapters.debian import Mirrors
    from envlock.adapters.http import Http
    from envlock.adapters.pinned import PinnedPages
    from envlock.adapters.sandbox import NamespaceSandbox
    from envlock.adapters.uv import Uv
    from envlock.operations.edges import Edges

    @functools.cache
    def session() -> Registry:
        from envlock.adapters.registry import OciRegistry
        from envlock.adapters.registry_session import Session

        return OciRegistry(Session(offline=offline))

    opening = threading.Lock()

    def registry() -> Registry:  # one for all threads: its tokens and connections serve a whole command
        with opening:
            return session()

    def engine() -> Sandbox:
        from envlock.adapters.engine import Engine
        from envlock.adapters.engine_sandbox import EngineSandbox

        return EngineSandbox(Engine())

    def steps() -> Steps:
        from envlock.adapters.engine import Engine
        from envlock.adapters.engine_steps import EngineSteps

        return EngineSteps(Engine(), said=said)

    credentials = Credentials(indexes)
    downloads = Http(offline=offline, credentials=credentials, insecure_hosts=indexes.insecure_hosts)
    sandbox = AllowedSandbox(NamespaceSandbox(), engine)
    pages = PinnedPages(indexes, downloads)
    return Edges(
        resolver=Uv(offline=offline, indexes=indexes, credentials=credentials, pinned=pages),
        downloads=downloads,
        artifacts=Cache(),
        archives=Mirrors(downloads),
        registry=registry,
        solver=apt_here,
        steps=steps,
        sandbox=sandbox,
        compiler=lambda root, interpreter: RootCompiler(sandbox, root, interpreter),
        progress=progress,
        indexes=indexes,
        machine=_machine(),
        now=datetime.datetime.now(datetime.UTC),
    )


def _say_of_step(line: str) -> None:
    from envlock.errors import printable

    click.echo(f"  | {printable(line)}", err=True)


def _quietly(_: str) -> None:
    pass


def _machine() -> Platform | None:
    import platform

    try:
        return Platform.of_machine(platform.machine(), "linux")
    except UsageError:
        return None


def chosen(manifest: Manifest, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the named environments, or all of them."""
    for name in names:
        manifest.environment(name)
    return names or tuple(sorted(manifest.environments))


def only(manifest: Manifest, name: str | None) -> str:
    """Return the named environment, or the only one there is."""
    if name is not None:
        manifest.environment(name)
        return name
    names = sorted(manifest.environments)
    if len(names) == 1:
        return names[0]
    raise UsageError(
        "which-env", "The manifest has several environments.", expected="one of: " + ", ".join(names), hint="Name one."
    )


def whole(reference: str) -> str:
    """Return a reference; ``:TAG`` is one in the repository that the manifest names."""
    if not reference.startswith(":"):
        return reference
    from envlock.operations.references import repository_of

    manifest = manifest_here()
    found = {each.name for name in manifest.environments if (each := repository_of(manifest, name))}
    if len(found) == 1:
        return found.pop() + reference
    raise UsageError(
        "several-repositories" if found else "no-repository",
        f"The manifest names {'several repositories' if found else 'no repository'}, so a tag alone names no image.",
        where=manifest.path.name,
        expected="one of: " + ", ".join(f"{name}{reference}" for name in sorted(found)) if found else "",
        found=reference,
        hint="Give a whole reference.",
    )


def environments(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return the environments that a shell may complete a word to."""
    try:
        return [name for name in sorted(manifest_here().environments) if name.startswith(incomplete)]
    except UsageError:
        return []


def hardware_classes(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return the hardware classes that a shell may complete a word to."""
    try:
        return [name for name in sorted(manifest_here().hardware) if name.startswith(incomplete)]
    except UsageError:
        return []


def fingerprint_classes(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Return the classes of hardware with a fingerprint that a shell may complete a word to."""
    try:
        folders = map(manifest_here().fingerprints_path, sorted(manifest_here().environments))
        names = {path.stem for folder in folders for path in folder.glob("*.json")}
    except UsageError:
        return []
    return sorted(name for name in names if name.startswith(incomplete))


def active_environment() -> Path | None:
    """Return the environment that the shell has activated, conda's own base apart: nobody's project lives there."""
    conda = os.environ.get("CONDA_PREFIX") if os.environ.get("CONDA_DEFAULT_ENV") != "base" else None
    found = os.environ.get("VIRTUAL_ENV") or conda
    return Path(found) if found else None


def relative(path: Path) -> str:
    """Return a path as the user would write it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def this_platform() -> Platform:
    """Return the platform of this machine; UsageError (`unknown-platform`) where no lock can cover it."""
    import platform
    import sys

    return Platform.of_machine(platform.machine(), sys.platform)
