"""module-shadowed: an unrecorded module stands before, or inside, a locked package."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from functools import cached_property

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="module-shadowed",
    family="FILE",
    title="No module that the lock does not know takes the name of a locked one or stands inside a locked package.",
    why="It is imported instead of, or as a part of, the locked code.",
    impact="results",
    source="importlib: packages before modules, extension modules before sources",
)
IMPORTABLE = (".py", ".pyc", ".so", ".pyd")
_OLD_STANDARD = frozenset(
    (
        *("asynchat", "asyncore", "binhex", "distutils", "dummy_threading", "formatter", "imp", "macpath", "parser"),
        *("smtpd", "symbol", "test"),
    )
)
"""Modules of the standard library of 3.6 to 3.11 that later ones lack; packages of their names are shadowed rightly."""
_STARTUP = ("sitecustomize", "usercustomize")


class Packages:
    """Where the locked packages have their modules."""

    def __init__(self, case: Case) -> None:
        self._case = case

    @cached_property
    def tops(self) -> dict[str, str]:
        """Import name to locked package, for what stands right below a site."""
        found: dict[str, str] = {}
        for inside, name in self._locked:
            first, slash, _ = inside.partition("/")
            if first.endswith((".dist-info", ".libs", ".data")) or not (slash or first.endswith(IMPORTABLE)):
                continue
            found.setdefault(first if slash else first.split(".", 1)[0], name)
        return found

    @cached_property
    def folders(self) -> dict[str, str]:
        """Folder (below its site) of every regular package to the locked package that brings its __init__."""
        return {
            posixpath.dirname(inside): name
            for inside, name in self._locked
            if posixpath.basename(inside).startswith("__init__.")
        }

    @cached_property
    def shared(self) -> dict[str, str]:
        """Folder that holds files of a locked package without being a regular package: a namespace, or data."""
        return {
            folder: name
            for inside, name in self._locked
            if (folder := posixpath.dirname(inside)) and folder not in self.folders
        }

    @cached_property
    def _locked(self) -> list[tuple[str, str]]:
        environment = self._case.environment
        sites = environment.layout.sites if environment else ()
        return [
            (path[len(site) + 1 :], distribution.name)
            for path, distribution in self._case.owners.items()
            if distribution.name in self._case.locked
            for site in sites
            if path.startswith(site + "/")
        ]


def shadows(packages: Packages, inside: str) -> str:
    """Say how an unrecorded file, by its path below its site, gets in the way of a locked package; empty if not."""
    if not inside.endswith(IMPORTABLE) or "/__pycache__/" in f"/{inside}":
        return ""
    folder, name = posixpath.split(inside)
    top = inside.split("/", 1)[0].split(".", 1)[0]
    above = folder
    while above:
        if above in packages.folders:
            return f"inside {packages.folders[above]}"
        above = posixpath.dirname(above)
    if name.startswith("__init__.") and folder in packages.shared:
        return f"makes a package of the namespace of {packages.shared[folder]}"
    if (
        top in packages.tops
        and top not in _STARTUP
        and (not folder or name.startswith("__init__."))
        and folder in ("", top)
    ):
        return f"has the name of a module of {packages.tops[top]}"
    return ""


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each unrecorded file, and each file of an extra package, that meddles with a locked one."""
    environment = case.environment
    if environment is None or not environment.walked:
        return
    packages = Packages(case)
    for path in sorted(environment.files):
        owner = case.owners.get(path)
        if (owner is None and path not in case.unclaimed) or (owner is not None and owner.name in case.locked):
            continue
        site = next((site for site in environment.layout.sites if path.startswith(site + "/")), None)
        if site is None:
            continue
        inside = path[len(site) + 1 :]
        if environment.files[path].kind == "other":  # a link to a folder imports as the package it leads to
            inside += "/__init__.py"
        if not (how := shadows(packages, inside)):
            continue
        yield RULE.finding(
            case.shown(path),
            expected="no such module in the lock",
            found=how + (f" (package {owner.name}, not locked)" if owner else ""),
            fix=case.remove(path),
            path=case.shown(path),
        )
    yield from _by_standard_library(case, packages)
    yield from _by_project(case, packages)


def _by_standard_library(case: Case, packages: Packages) -> Iterator[Finding]:
    """Yield a finding for each module beside the standard library's own that has the name of a locked one."""
    stdlib = case.environment.stdlib if case.environment is not None else None
    for name in stdlib.modules if stdlib is not None else ():
        if name in packages.tops and name not in sys.stdlib_module_names and name not in _OLD_STANDARD:
            path = f"{stdlib.folder}/{name}" if stdlib is not None else name
            yield RULE.finding(
                path,
                expected="no such module in the standard library",
                found=f"has the name of a module of {packages.tops[name]}, and is found before it",
                fix=case.remove(path),
                path=path,
            )


def _by_project(case: Case, packages: Packages) -> Iterator[Finding]:
    """Yield a finding for each project file of an image that programs started in its working folder would import."""
    project = case.image.project if case.image else None
    for root in project.roots if project else ():
        for path in project.modules if project else ():
            inside = path.removeprefix(f"{root.rstrip('/')}/")
            # Deeper ones are found only where all folders above them are this project's own packages.
            if inside == path or not re.fullmatch(r"[^/]+|[^/]+/__init__\.[^/]+", inside):
                continue
            if how := shadows(packages, inside):
                yield RULE.finding(
                    path,
                    expected="no such module in the lock",
                    found=f"{how}, which is imported instead of it from {root}",
                    fix="give the module another name",
                    path=path,
                )
