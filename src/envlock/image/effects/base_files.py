"""base-files: the folders, logs and default files that its postinst makes, read off its literal calls."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envlock.image.tree import Tree

_OWNER = "base-files"
_LINKS = (
    ("var/spool/mail", "../mail"),
    ("var/run", "/run"),
    ("var/lock", "/run/lock"),
    ("usr/local/man", "share/man"),
    ("etc/dpkg/origins/default", "debian"),
)
_UTMP = 43
"""Static group of base-passwd."""
_LOGS = (("var/log/wtmp", 0o664), ("var/log/btmp", 0o660), ("var/log/lastlog", 0o664))
_GROUPS = {"root": 0, "mail": 8}
_FOLDER = re.compile(r"^\s+install_directory\s+(?P<path>\S+)\s+(?P<mode>[0-7]+)\s+(?P<group>\w+)$", re.MULTILINE)
_LOCAL_FOLDER = re.compile(r"^\s+install_local_dir\s+/(?P<path>\S+)$", re.MULTILINE)
_DEFAULT = re.compile(r"^\s+install_from_default\s+(?P<name>\S+)\s+/(?P<path>\S+)$", re.MULTILINE)


def apply(tree: Tree) -> None:
    """Make what is missing; the empty folders /var/run and /var/lock become links."""
    script = next(
        package.control["postinst"].decode("utf-8") for package in tree.packages if package.deb.name == _OWNER
    )
    for path, mode, group in _folders(script):
        if path not in tree:
            tree.add(path, "dir", owner=_OWNER, mode=mode, gid=group)
    for path, target in _LINKS:
        entry = tree.get(path)
        if entry is None or (entry.kind == "dir" and not tree.under(path)):
            tree.add(path, "symlink", owner=_OWNER, link=target, replace=True)
    for match in _DEFAULT.finditer(script):
        source = f"usr/share/base-files/{match['name']}"
        if source in tree and match["path"] not in tree:
            tree.add(match["path"], "file", owner=_OWNER, content=tree.read(source))
    for path, mode in _LOGS:
        if path not in tree:
            tree.add(path, "file", owner=_OWNER, mode=mode, gid=_UTMP)


def _folders(script: str) -> Iterator[tuple[str, int, int]]:
    for match in _FOLDER.finditer(script):
        yield match["path"], int(match["mode"], 8), _GROUPS[match["group"]]
    for match in _LOCAL_FOLDER.finditer(script):
        yield match["path"], 0o755, 0
