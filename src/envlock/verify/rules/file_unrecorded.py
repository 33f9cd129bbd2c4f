"""file-unrecorded: a file that no RECORD lists stands among the installed ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case
from envlock.verify.rules.module_shadowed import IMPORTABLE, Packages, shadows

RULE = Rule(
    id="file-unrecorded",
    family="FILE",
    title="Every file in site-packages and among the scripts belongs to an installed distribution.",
    why="Nobody else has it, and no installer will remove it.",
    severity="warning",
    impact="compat",
)
_EXPECTED = re.compile(
    r"_virtualenv\.py|sitecustomize(\.py|/.*)?|usercustomize(\.py|/.*)?|README\.txt|[^/]+\.(pth|start)|[^/]+\.egg-link|~.*"
)
_VENV_SCRIPTS = re.compile(
    r"(activate|Activate|deactivate|activate_this)(\.\w+)?|pythonw?[\d.]*t?(-config)?(\.exe)?|"
    r"pydoc[\d.]*(\.bat)?|idle[\d.]*|2to3.*|pip([\d.]+|-[\d.]+)?(\.exe)?|easy_install.*|\.gitignore"
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a warning for each unrecorded file or, where a folder holds several, for the folder."""
    environment = case.environment
    if environment is None or not environment.walked:
        return
    packages = Packages(case)
    groups: dict[str, list[str]] = {}
    layout = environment.layout
    for path in sorted(case.unclaimed):
        site = next((site for site in layout.sites if path.startswith(site + "/")), None)
        if site is not None:
            if site.endswith("/dist-packages") and not site.startswith("/usr/local/"):
                continue  # Debian's packages own these, and dpkg knows their files
            inside = path[len(site) + 1 :]
            if _EXPECTED.fullmatch(inside) or shadows(packages, inside):
                continue  # startup-code and module-shadowed tell the ones that matter
            groups.setdefault(f"{site}/{inside.partition('/')[0]}", []).append(path)
        elif path.startswith(f"{layout.scripts}/") and f"{layout.prefix}/pyvenv.cfg" in environment.files:
            inside = path[len(layout.scripts) + 1 :]
            if not _VENV_SCRIPTS.fullmatch(inside):
                groups.setdefault(path, []).append(path)
    for top, paths in groups.items():
        imports = sum(path.endswith(IMPORTABLE) for path in paths)
        shown = case.shown(top)
        yield RULE.finding(
            shown,
            expected="listed in a RECORD",
            found="a file of nobody"
            if paths == [top]
            else f"{len(paths)} files of nobody, {imports} of them importable",
            fix=case.remove(top),
            path=shown,
        )
