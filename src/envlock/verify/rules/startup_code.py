"""startup-code: something runs at every start of the interpreter, or puts more folders on sys.path."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from envlock.model.finding import Finding, Rule, Severity
from envlock.model.observation import Environment, File
from envlock.verify.case import UNLOCKED_TOOLS, Case

RULE = Rule(
    id="startup-code",
    family="FILE",
    title="No .pth file, sitecustomize or usercustomize runs that neither the lock nor known tools bring.",
    why="It runs before any program does and can replace any function of any package.",
    impact="security",
    source="The site module; bullseye's own sitecustomize stands in the standard library and belongs to the base",
)
_CANDIDATE = re.compile(r"\.pth$|/(site|user)customize\b|/_virtualenv\.py$")
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
_DISTUTILS = frozenset(
    f"import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, '{default}') == 'local'; "
    f"enabled and __import__('_distutils_hack'){call}; ".encode()
    for default in ("local", "stdlib")
    for call in ("", ".add_shim()")
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
        elif inside.split("/", 1)[0].split(".", 1)[0] in _CUSTOMIZE and "__pycache__" not in inside:
            found, severity = _customize(case, path)
        elif inside == "_virtualenv.py":
            found, severity = _virtualenv(case, environment, file)
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
    if name == "distutils-precedence.pth" and (content.rstrip(b"\r\n ") + b" " in _DISTUTILS):
        return "", "info"
    if owner and any(d.direct_url and d.direct_url.editable for d in case.installed.get(owner, [])):
        return "", "info"  # how the user's own editable project is imported
    runs = [line for line in content.splitlines() if line.startswith((b"import ", b"import\t"))]
    if file.problem or runs:
        what = file.problem or f"runs {runs[0][:80].decode('utf-8', 'replace')!a}"
        return (f"{what} (package {owner}, not locked)", "warning") if owner else (what, "error")
    if owner in UNLOCKED_TOOLS or not content.strip():
        return "", "info"
    return f"adds {content.strip().splitlines()[0][:80].decode('utf-8', 'replace')!a} to sys.path", "warning"


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
