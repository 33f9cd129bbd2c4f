"""`envlock lock --from-venv`: what is installed in an environment, as the manifest that locks exactly that."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from envlock.errors import UnverifiableError
from envlock.locking.installed import (
    Installed,
    InstalledPackage,
    LeftOut,
    Reason,
    active_requirements,
    normalised,
)
from envlock.model.edges import (
    Progress,
    Records,
    TargetInterpreter,
)
from envlock.model.finding import Finding
from envlock.model.lock import LockFile
from envlock.model.observation import Distribution, Environment, Interpreter, Unknown
from envlock.model.platform import Platform
from envlock.observe.conda import CondaPackage, read_conda_packages
from envlock.observe.environment import find_python, observe_environment
from envlock.operations.verify import located_in
from envlock.verify.case import Case
from envlock.verify.judgement import verdict_of

TOOLS = frozenset({"pip", "setuptools", "wheel", "uv", "distribute"})
"""What makers of virtual environments put there unasked."""
_LIBRARY = "is no Python distribution: conda alone has it"

_NOTES = frozenset({"installer-note", "record-contradiction"})
"""Rules about what an installer wrote, not about what came out of a wheel."""


def installed_pins(venv: Path, interpreter: TargetInterpreter, *, progress: Progress) -> Installed:
    """Read what pip, uv or conda installed in an environment; `venv` is its folder, or its python.

    The tools of the environment, and what it only sees from outside of it (system or user site-packages), count where
    something inside requires them. Raises UsageError (`no-target`, `bad-conda-meta`, `unknown-platform`),
    UnverifiableError where its Python cannot be asked.
    """
    environment = _observed(venv, interpreter, progress)
    about = environment.interpreter
    assert isinstance(about, Interpreter)  # the observation of a Python that answered says what it is
    platform = Platform.of_machine(about.machine, about.system)
    conda = read_conda_packages(Path(environment.layout.prefix))
    packages, left_out = _sorted_out(environment, conda)
    found = Installed(python=about.version, platform=platform, packages=packages)
    unasked = _unasked(found, environment)
    return found.without(unasked).without(left_out)


def _observed(venv: Path, interpreter: TargetInterpreter, progress: Progress) -> Environment:
    found = observe_environment(venv, interpreter, full=False, progress=progress).environment
    if isinstance(found, Environment) and isinstance(found.interpreter, Interpreter):
        return found
    reason = found if isinstance(found, Unknown) else Unknown(reason="its Python could not be asked what it is")
    raise UnverifiableError(
        "interpreter-failed", reason.reason, where=str(find_python(venv)), hint=reason.hint or "Is it a CPython?"
    )


def _sorted_out(
    environment: Environment, conda: Sequence[CondaPackage]
) -> tuple[tuple[InstalledPackage, ...], list[LeftOut]]:
    """Return what can be pinned, sorted by name, and what cannot."""
    prefix = environment.layout.prefix
    made_by_conda = {f"{prefix}/{folder}": package for package in conda for folder in package.metadata_folders}
    chosen: dict[str, InstalledPackage] = {}
    left_out = []
    for distribution in _importable(environment):
        by_conda = distribution.folder in made_by_conda or distribution.installer == "conda"
        refusal = _refusal(distribution, by_conda=by_conda)
        if refusal is not None:
            left_out.append(refusal)
            continue
        chosen[distribution.name] = InstalledPackage(
            name=distribution.name,
            version=distribution.version,
            requires=_stated(distribution, environment, "requires_dist"),
            extras=_stated(distribution, environment, "provides_extra"),
            conda=by_conda,
        )
    libraries = [p for p in conda if not p.metadata_folders and p.name != "python" and p.files]
    left_out += [
        LeftOut(name=normalised(p.name), version=p.version, reason="conda-only", why=_LIBRARY) for p in libraries
    ]
    return tuple(chosen[name] for name in sorted(chosen)), left_out


def _importable(environment: Environment) -> list[Distribution]:
    """Return one distribution for each name: of several folders of sys.path the first is imported from."""
    found: dict[str, Distribution] = {}
    for site in environment.layout.sites:
        here = [d for d in environment.distributions if posixpath.dirname(d.folder) == site]
        for distribution in here:
            found.setdefault(distribution.name, distribution)
    return list(found.values())


def _refusal(distribution: Distribution, *, by_conda: bool) -> LeftOut | None:
    """Return why a distribution cannot be pinned, or None."""
    from packaging.version import InvalidVersion, Version

    def refuse(reason: Reason, why: str) -> LeftOut:
        return LeftOut(name=distribution.name, version=distribution.version, reason=reason, why=why)

    origin = distribution.direct_url
    if distribution.folder.endswith(".egg-link") or (origin is not None and origin.editable):
        return refuse("editable", "is an editable install: its code is whatever its working tree holds")
    try:
        Version(distribution.version)
    except InvalidVersion:
        problem = distribution.problem or f"its version is {distribution.version!r}"
        return refuse("unreadable", f"cannot be read: {problem}")
    # conda writes the folder that it built a package in, on another machine, as the package's origin.
    if origin is None or by_conda:
        return None
    if origin.vcs:
        return refuse("repository", f"was installed from a {origin.vcs} repository")
    return refuse("file", "was installed from a file, folder or URL of its own, not from an index")


def _stated(
    distribution: Distribution, environment: Environment, field: Literal["requires_dist", "provides_extra"]
) -> tuple[str, ...]:
    """Return a list of the core metadata."""
    from packaging.metadata import parse_email

    for name in ("METADATA", "PKG-INFO"):
        file = environment.files.get(f"{distribution.folder}/{name}")
        if file is not None and file.content is not None:
            return tuple(parse_email(file.content)[0].get(field, ()))
    return ()


def _unasked(found: Installed, environment: Environment) -> list[LeftOut]:
    """Return the tools, and what lies outside of the environment, that nothing inside requires."""
    prefix = environment.layout.prefix.rstrip("/") + "/"
    inside = {d.name for d in _importable(environment) if d.folder.startswith(prefix)}
    wanted = {package.name for package in found.packages if package.name in inside and package.name not in TOOLS}
    while True:
        rows = [package for package in found.packages if package.name in wanted]
        asked = {normalised(r.name) for _, r in active_requirements(rows, found.feature, found.python, found.platform)}
        if asked <= wanted:
            break
        wanted |= asked
    return [
        LeftOut(name=p.name, version=p.version, reason="tool", why="is a tool that nothing installed requires")
        if p.name in inside
        else LeftOut(name=p.name, version=p.version, reason="outside", why="lies outside of the environment")
        for p in found.packages
        if p.name not in wanted
    ]


def differences(
    lock_file: LockFile,
    venv: Path,
    *,
    left_out: Iterable[LeftOut] = (),
    folder: Path,
    interpreter: TargetInterpreter,
    records: Records,
    progress: Progress,
) -> tuple[Finding, ...]:
    """Return how the locked packages differ from what is installed, every byte compared: other builds of a version.

    conda's builds, wheels that were compiled where they were installed and edited files are among them. What was left
    out, and is said already, is not; nor is what an installer wrote beside a wheel's own files. `folder` is the lock
    file's.
    """
    observation = observe_environment(venv, interpreter, full=True, progress=progress, compiled=False)
    case = Case(lock_file, observation, records=records, locate=located_in(folder), progress=progress)
    said = {row.name for row in left_out}
    return tuple(
        finding
        for finding in verdict_of(case).findings
        if finding.package
        and finding.package not in said
        and finding.family in ("PKG", "FILE")
        and finding.rule not in _NOTES
    )
