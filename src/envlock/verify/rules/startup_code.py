"""startup-code: something runs at every start of the interpreter, or puts more folders on sys.path."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from envlock.formats.startup import (
    DISTUTILS_PRECEDENCE,
    added_paths,
    executed,
    hack_of,
    is_easy_install,
    is_editable,
    is_loader,
    is_namespace,
)
from envlock.model.finding import Finding, Rule, Severity
from envlock.model.observation import Environment, File
from envlock.verify.case import UNLOCKED_TOOLS, Case
from envlock.verify.rules.module_shadowed import IMPORTABLE

RULE = Rule(
    id="startup-code",
    family="FILE",
    title="No .pth or .start file, sitecustomize or usercustomize runs that neither the lock nor known tools bring.",
    why="It runs before any program does and can replace any function of any package.",
    impact="security",
    source="The site module; PEP 660; PEP 829; bullseye's own sitecustomize is in the standard library and the base's",
)
_CANDIDATE = re.compile(r"\.(pth|start)$|/(site|user)customize\b|/_virtualenv\.py$|/_distutils_hack/[^/]+$")
_CUSTOMIZE = ("sitecustomize", "usercustomize")
_VIRTUALENV_PTH = b"import _virtualenv"
_VIRTUALENV = frozenset(
    {
        "cfb3db86aaa53bb62b5ff764970bec2d71c9228590a0ebec57f6ec926cc0bf1a",  # uv 0.13.9
        "684b8c07932ba4a84ac2e5ae9afe49ef04e92bac3d8d4191d455cf09d093e5fc",  # virtualenv 20.0.35 to 20.13
        "02943e192823d75212f206e1f2991ac572119882683a95dfbb7a1b913d7b14b5",  # the others: 20.14 to 20.38
        "ce57d5e0d9b5d7356cb42da7450ba8f9359bdf693e335f4c921626943c77e64d",
        "c9199315871b11b12df226f890a38e66e63191e1adbfb11a66e6861151b33fca",
        "f4dfaeb9efc1614890cfa94ed15bbe9b2ee15fbe76d569ef5e435e93e4987dc7",
        "0aeb86546345c1d0fada097536e35525714d5cdbcc2d8eb3f9912a955044fcff",
        "0f20351ea7e90039c46d3fabdef991f28b1e3ff33eb13ee6f0d5cd21ea0e8b14",
        "bec6155ff7bfc88f8e79e481f27fd7ee0a3b40eeca9bfeb41f4c4b997b2f8100",
    }
)


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
    if name == "_virtualenv.pth" and content.rstrip(b"\r\n") == _VIRTUALENV_PTH:
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
    if editable or owner in UNLOCKED_TOOLS or not added:
        return "", "info"
    return f"adds {added[0][:80]!a} to sys.path", "warning"


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

    if is_namespace(line) or (name == "easy-install.pth" and is_easy_install(line)):
        return True
    return editable and is_editable(line, module)


def _linked(case: Case) -> frozenset[str]:
    """Return the folders of projects that setuptools installed for development: easy-install.pth names them again."""
    files = case.environment.files if case.environment else {}
    links = (file.content for path, file in files.items() if path.endswith(".egg-link") and file.content)
    return frozenset(content.split(b"\n", 1)[0].strip().decode("utf-8", "replace") for content in links)


def _distutils_hack(case: Case, path: str, file: File, site: str) -> tuple[str, Severity]:
    """Judge what setuptools runs at every start, where the lock does not."""
    environment = case.environment
    owner = case.owners.get(path)
    if environment is None or (owner is not None and owner.name in case.locked):
        return "", "info"
    if owner is None or owner.name != "setuptools":
        runs = f"{site}/distutils-precedence.pth" in environment.files and path.endswith(IMPORTABLE)
        return ("runs at every start, and is no part of setuptools" if runs else ""), "error"
    if not environment.hashed or not path.endswith(".py"):
        return "", "info"
    row = case.claims[owner.folder].rows.get(path)
    known = hack_of(owner.version, posixpath.basename(path)) or (row.sha256 if row is not None else None)
    if file.sha256 and file.sha256 == known:
        return "", "info"
    return f"runs at every start, and is not what setuptools {owner.version} holds", "error"


def _customize(case: Case, path: str) -> tuple[str, Severity]:
    owner = _owner(case, path)
    if owner in case.locked:
        return "", "info"
    return f"runs at every start{f' (package {owner}, not locked)' if owner else ''}", "error"


def _virtualenv(case: Case, environment: Environment, file: File) -> tuple[str, Severity]:
    if not environment.hashed or file.sha256 in _VIRTUALENV or _owner(case, "_virtualenv.py") in case.locked:
        return "", "info"
    config = environment.files.get(f"{environment.layout.prefix}/pyvenv.cfg")
    made = (config.content or b"") if config else b""
    if any(line.replace(b" ", b"").startswith(b"uv=0.13.") for line in made.splitlines()):
        return "contradicts what uv 0.13 writes there", "error"
    return "not what a known release of virtualenv or uv writes there", "warning"
