"""Puts adapters and operations together, in one place."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import click

from envlock.cli.progress import progress_for
from envlock.errors import UsageError
from envlock.model.manifest import Manifest, find_manifest
from envlock.model.platform import Platform
from envlock.operations.edges import Edges


def manifest_here() -> Manifest:
    """Read the manifest of the working directory or the nearest folder above it."""
    return find_manifest(Path.cwd())


def edges_of(ctx: click.Context) -> Edges:
    """Wire this machine's edges."""
    from envlock.adapters.bytecode import RootCompiler
    from envlock.adapters.cache import Cache
    from envlock.adapters.debian import Mirrors
    from envlock.adapters.http import Http
    from envlock.adapters.sandbox import NamespaceSandbox
    from envlock.adapters.uv import Uv

    options: dict[str, Any] = ctx.obj
    downloads = Http(offline=options["offline"])
    sandbox = NamespaceSandbox()
    return Edges(
        resolver=Uv(offline=options["offline"]),
        downloads=downloads,
        artifacts=Cache(),
        archives=Mirrors(downloads),
        sandbox=sandbox,
        compiler=lambda root, interpreter: RootCompiler(sandbox, root, interpreter),
        progress=progress_for(quiet=options["quiet"]),
        now=datetime.datetime.now(datetime.UTC),
    )


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


def relative(path: Path) -> str:
    """Return a path as the user would write it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def this_platform() -> Platform:
    """Return the platform of this machine; UsageError (`unknown-platform`) where no lock can cover it."""
    import platform

    architectures = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    machine = platform.machine().lower()
    return Platform.parse(f"{platform.system().lower()}/{architectures.get(machine, machine)}")
