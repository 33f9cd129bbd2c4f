"""startup-code: something runs at every start of the interpreter, or puts more folders on sys.path."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator

from envlock.formats.namespace_line import namespace_of
from envlock.formats.startup import (
    DISTUTILS_PRECEDENCE,
    VIRTUALENV_PTH,
    added_paths,
    executed,
    hacks_of,
    is_easy_install,
    is_editable,
    is_known_release,
    is_loader,
    is_virtualenv,
)
from envlock.model.finding import Finding, Rule, Severity
from envlock.model.observation import Distribution, Environment, File
from envlock.verify.case import UNLOCKED_TOOLS, Case
from envlock.verify.rules.module_shadowed import IMPORTABLE, Packages

RULE = Rule(
    id="startup-code",
    family="FILE",
    title="No .pth or .start file, sitecustomize or usercustomize runs that neither the lock nor known tools bring.",
    why="It runs before any program does and can replace any function of any package.",
    impact="security",
    source="The site module; PEP 660; PEP 829; bullseye's own sitecustomize is in the standard library and the base's",
)
_CANDIDATE = re.compile(
    r"\.(pth|start)$|/(site|user)customize\b|/_virtualenv\.py$|/_distutils_hack/[^/]+$"
    r"|/(_virtualenv|_distutils_hack|__editable__\w+|_editable_impl_\w+|__editables_\w+)(\.[^/]+|/__init__\.[^/]+)$"
)
_IMPORTED = re.compile(r"(_virtualenv|__editable__\w+|_editable_impl_\w+|__editables_\w+)\.py|_distutils_hack/.*")
_CUSTOMIZE = ("sitecustomize", "usercustomize")


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each such file that is no proven part of a locked package."""
    environment = case.environment
    if environment is None or not environment.walked:
        return
    for path in sorted(path for path in environment.files if _CANDIDATE.search(path)):
        file = environment.files[path]
        site = next((site for site in environment.layout.sites if path.startswith(site + "/")), None)
        if site is None:
            continue
        inside = path[len(site) + 1 :]
        if "/" not in inside and inside.endswith(".pth"):
            found, severity = _pth(case, path, file)
        elif "/" not in inside and inside.endswith(".start"):
            found, severity = _start(case, path, file)
        elif inside.split("/", 1)[0].split(".", 1)[0] in _CUSTOMIZE and "__pycache__" not in inside:
            found, severity = _customize(case, path)
        elif inside == "_virtualenv.py":
            found, severity = _virtualenv(case, environment, file)
        elif inside.startswith("_distutils_hack/"):
            found, severity = _distutils_hack(case, path, file, site)
        elif inside.endswith(IMPORTABLE) and "__pycache__" not in inside and not _IMPORTED.fullmatch(inside):
            found, severity = _twin(case, path)
        else:
            continue
        if found:
            yield RULE.finding(
                case.shown(path),
                expected="nothing that runs at start beside the lock",
                found=found,
                fix=case.remove(path),
                path=case.shown(path),
                package=owner if (owner := _owner(case, path)) in case.locked else "",
                nature="integrity" if "contradicts" in found else None,
                severity=severity,
            )


def _owner(case: Case, path: str) -> str:
    distribution = case.owners.get(path)
    return distribution.name if distribution else ""


def _pth(case: Case, path: str, file: File) -> tuple[str, Severity]:
    owner, name = _owner(case, path), posixpath.basename(path)
    content = file.content if file.content is not None else b""
    if owner in case.locked:
        return "", "info"  # proven with its package, or told by file-tampered
    if name == "_virtualenv.pth" and content.rstrip(b"\r\n") == VIRTUALENV_PTH:
        return "", "info"
    if name == "distutils-precedence.pth" and (content.rstrip(b"\r\n ") + b" " in DISTUTILS_PRECEDENCE):
        return "", "info"
    editable = any(d.direct_url and d.direct_url.editable for d in case.installed.get(owner, []))
    runs = [line for line in executed(content) if not _is_known(case, path, line, editable=editable)]
    if file.problem or runs:
        what = file.problem or f"runs {runs[0][:80]!a}"
        if editable and not file.problem and all(map(is_loader, runs)):
            return f"{what}, the loader of the editable project {owner}", "warning"
        if editable:
            return f"{what}, which no known build backend writes (editable {owner})", "error"
        return (f"{what} (package {owner}, not locked)", "warning") if owner else (what, "error")
    added = [line for line in added_paths(content) if line not in _linked(case)]
    if added and name == "easy-install.pth" and any(map(is_easy_install, executed(content))):
        return f"puts {added[0][:80]!a} before everything on sys.path", "error"
    if editable or owner in UNLOCKED_TOOLS or not added:
        return "", "info"
    if _is_before_locked(case, posixpath.dirname(path)):
        return f"puts {added[0][:80]!a} before locked packages on sys.path", "error"
    return f"adds {added[0][:80]!a} to sys.path", "warning"


def _is_before_locked(case: Case, site: str) -> bool:
    """Tell whether locked packages are in a later folder of sys.path: what a .pth adds stands right after its own."""
    sites = case.environment.layout.sites if case.environment is not None else ()
    later = sites[sites.index(site) + 1 :] if site in sites else ()
    return any(posixpath.dirname(found.folder) in later for found in case.matching.values())


def _start(case: Case, path: str, file: File) -> tuple[str, Severity]:
    """Judge a .start file (PEP 829): Python 3.15 and newer call what it names."""
    owner = _owner(case, path)
    lines = [line.strip() for line in (file.content or b"").decode("utf-8-sig", "replace").splitlines()]
    called = [line for line in lines if line and not line.startswith("#")]
    if owner in case.locked or not (called or file.problem):
        return "", "info"
    what = file.problem or f"calls {called[0][:80]!a}"
    return (f"{what} (package {owner}, not locked)", "warning") if owner else (what, "error")


def _is_known(case: Case, path: str, line: str, *, editable: bool) -> bool:
    """Tell whether an executed line is one that installers write."""
    files = case.environment.files if case.environment else {}
    folder, name = posixpath.split(path)

    def module(imported: str) -> bytes | None:
        file = files.get(f"{folder}/{imported}.py")
        return file.content if file is not None else None

    if name == "easy-install.pth" and is_easy_install(line):
        return True
    if (namespace := namespace_of(line)) is not None:
        return _is_harmless(case, *namespace, editable=editable)
    return editable and is_editable(line, module)


def _is_harmless(case: Case, name: str, folder: str, *, editable: bool) -> bool:
    """Tell whether a namespace package takes the place of nothing, and is where its project is.

    The line puts a module of that name where every import looks first, and takes what is in it from that folder.
    """
    top = name.partition(".")[0]
    regular = Packages(case).folders
    parts = name.split(".")
    if top in sys.stdlib_module_names or any("/".join(parts[:end]) in regular for end in range(1, len(parts) + 1)):
        return False
    return not folder or editable or folder in _linked(case)


def _linked(case: Case) -> frozenset[str]:
    """Return the folders of projects that setuptools installed for development: easy-install.pth names them again."""
    files = case.environment.files if case.environment else {}
    links = (file.content for path, file in files.items() if path.endswith(".egg-link") and file.content)
    return frozenset(content.split(b"\n", 1)[0].strip().decode("utf-8", "replace") for content in links)


def _distutils_hack(case: Case, path: str, file: File, site: str) -> tuple[str, Severity]:
    """Judge what setuptools runs at every start, where the lock does not."""
    environment = case.environment
    owner = case.owners.get(path) or _listless_setuptools(environment, site)
    if environment is None or (owner is not None and owner.name in case.locked):
        return "", "info"
    if owner is None or owner.name != "setuptools":
        runs = f"{site}/distutils-precedence.pth" in environment.files and path.endswith(IMPORTABLE)
        return ("runs at every start, and is no part of setuptools" if runs else ""), "error"
    if path.endswith(IMPORTABLE) and posixpath.basename(path) not in ("__init__.py", "override.py"):
        return "runs at every start, and is no part of setuptools", "error"
    if not environment.hashed or not path.endswith(".py"):
        return "", "info"
    if file.sha256 in hacks_of(owner.version, posixpath.basename(path)):
        return "", "info"
    if is_known_release(owner.version):
        return f"runs at every start, and is not what setuptools {owner.version} holds", "error"
    # RECORD proves nothing: whoever writes the file writes that, and a release that nobody knows into METADATA.
    return f"runs at every start, and nobody has the digests of setuptools {owner.version}", "warning"


def _listless_setuptools(environment: Environment | None, site: str) -> Distribution | None:
    """Return the setuptools of a folder that has no list of its files: Debian's and Ubuntu's own."""
    found = (d for d in (environment.distributions if environment else ()) if posixpath.dirname(d.folder) == site)
    return next((d for d in found if d.name == "setuptools" and d.folder.endswith(".egg-info")), None)


def _twin(case: Case, path: str) -> tuple[str, Severity]:
    """Judge what has the name of a module that a .pth file imports, and is found before or instead of it."""
    locked = _owner(case, path) in case.locked
    return ("" if locked else "has the name of a module that is imported at every start"), "error"


def _customize(case: Case, path: str) -> tuple[str, Severity]:
    owner = _owner(case, path)
    if owner in case.locked:
        return "", "info"
    return f"runs at every start{f' (package {owner}, not locked)' if owner else ''}", "error"


def _virtualenv(case: Case, environment: Environment, file: File) -> tuple[str, Severity]:
    if not environment.hashed or is_virtualenv(file.content or b"") or _owner(case, "_virtualenv.py") in case.locked:
        return "", "info"
    config = environment.files.get(f"{environment.layout.prefix}/pyvenv.cfg")
    made = (config.content or b"") if config else b""
    if any(line.replace(b" ", b"").startswith(b"uv=0.13.") for line in made.splitlines()):
        return "contradicts what uv 0.13 writes there", "error"
    return "not what a known release of virtualenv or uv writes there", "warning"
