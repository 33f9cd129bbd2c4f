"""What is installed in an environment, as a report tells it: distributions, and what runs at each start of Python."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from envlock.errors import UsageError
from envlock.formats.dist_info import is_known_installer, read_requirements
from envlock.formats.startup import VIRTUALENV_PTH
from envlock.locking.installed import InstalledPackage, active_requirements, normalised
from envlock.model.observation import DirectUrl, Distribution, Environment, File, Interpreter
from envlock.model.platform import Platform
from envlock.model.report import Installed, Source, Startup
from envlock.verify.claim import claim_of
from envlock.verify.installed_contents import installed_contents

_STARTUP_LIMIT = 1 << 20
_CUSTOMIZE = ("sitecustomize", "usercustomize")
_CUSTOMIZED = re.compile(r"(site|user)customize(/__init__)?(\.[^/]+)?\.(py|pyc|so|pyd)")


def installed(environment: Environment) -> Iterator[Installed]:
    """Yield the distributions that are imported, sorted by name."""
    requires = _requires(environment)
    for _, distributions in sorted(environment.imported().items()):
        for each in distributions:
            yield Installed(
                name=each.name,
                version=each.version,
                installer=_installer(each.installer),
                source=_source(each),
                contents=installed_contents(each, environment),
                problem=each.problem,
                requires=requires.get(each.name, ()),
            )


def _requires(environment: Environment) -> dict[str, tuple[str, ...]]:
    """Return what distributions need here, by name: the markers hold, and extras count that another one asks for.

    Empty for an interpreter that no lock can be for: nobody knows which markers hold.
    """
    python = environment.interpreter
    if not isinstance(python, Interpreter) or python.implementation != "cpython":
        return {}
    try:
        platform = Platform.of_machine(python.machine, python.system)
    except UsageError:
        return {}
    packages = [
        InstalledPackage(name=each.name, version=each.version, requires=_stated(each, environment))
        for distributions in environment.imported().values()
        for each in distributions
    ]
    found: dict[str, set[str]] = {}
    for owner, wanted in active_requirements(packages, python.feature, python.version, platform):
        found.setdefault(owner.name, set()).add(normalised(wanted.name))
    return {name: tuple(sorted(names - {name})) for name, names in found.items()}


def _stated(distribution: Distribution, environment: Environment) -> tuple[str, ...]:
    for name in ("METADATA", "PKG-INFO"):
        file = environment.files.get(f"{distribution.folder}/{name}")
        if file is not None and file.content is not None:
            return read_requirements(file.content)
    return ()


def _installer(text: str) -> str:
    return text if not text or is_known_installer(text.encode()) else "another"


def _source(distribution: Distribution) -> Source | None:
    if distribution.folder.endswith(".egg-link"):
        return Source(kind="directory", editable=True)
    url: DirectUrl | None = distribution.direct_url
    if url is None:
        return None
    if url.vcs:
        return Source(kind="vcs", editable=url.editable)
    archive = not url.editable and (url.sha256 != "" or url.url.endswith((".whl", ".zip", ".gz", ".bz2", ".xz")))
    digest = url.sha256 if len(url.sha256) == 64 and set(url.sha256) <= set("0123456789abcdef") else None
    return Source(kind="archive" if archive else "directory", editable=url.editable, sha256=digest)


def startup(environment: Environment) -> Iterator[Startup]:
    """Yield what runs at each start of the interpreter and is no distribution's own."""
    owned = {path for each in environment.distributions for path in claim_of(each, environment).owns()}
    found = {}
    for path, file in environment.files.items():
        folder, name = posixpath.split(path)
        above, package = posixpath.split(folder)
        if package in _CUSTOMIZE and above in environment.layout.sites:
            folder, name = above, f"{package}/{name}"
        if folder not in environment.layout.sites or path in owned:
            continue
        if name.endswith(".pth"):
            lines = [line.rstrip() for line in (file.content or b"").splitlines()]
            runs = [line for line in lines if line.startswith((b"import ", b"import\t"))]
            if runs and (name, b"\n".join(runs)) != ("_virtualenv.pth", VIRTUALENV_PTH):
                found[name] = hashlib.sha256(b"\n".join(runs)).hexdigest()
        elif name.endswith(".start") or _CUSTOMIZED.fullmatch(name):
            found[name] = file.sha256 or _digest_now(path, file)
    for name, digest in sorted(found.items()):
        yield Startup(name=name, sha256=digest or None)


def _digest_now(path: str, file: File) -> str:
    """Return the sha256 of a small file that nobody hashed; empty where it cannot be read."""
    if file.problem or file.size > _STARTUP_LIMIT:
        return ""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""
