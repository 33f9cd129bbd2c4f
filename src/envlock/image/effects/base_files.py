"""base-files: the folders, logs and default files that its postinst makes."""

from __future__ import annotations

from envlock.image.tree import Tree

_OWNER = "base-files"
_MAIL, _UTMP = 8, 43
"""Static identifiers of base-passwd."""
_FOLDERS = (
    ("mnt", 0o755, 0),
    ("srv", 0o755, 0),
    ("opt", 0o755, 0),
    ("etc/opt", 0o755, 0),
    ("var/opt", 0o755, 0),
    ("media", 0o755, 0),
    ("var/mail", 0o2775, _MAIL),
    ("run/lock", 0o1777, 0),
    ("usr/local/share", 0o755, 0),
    ("usr/local/share/man", 0o755, 0),
    ("usr/local/bin", 0o755, 0),
    ("usr/local/games", 0o755, 0),
    ("usr/local/lib", 0o755, 0),
    ("usr/local/include", 0o755, 0),
    ("usr/local/sbin", 0o755, 0),
    ("usr/local/src", 0o755, 0),
    ("usr/local/etc", 0o755, 0),
)
_LINKS = (
    ("var/spool/mail", "../mail"),
    ("var/run", "/run"),
    ("var/lock", "/run/lock"),
    ("usr/local/man", "share/man"),
    ("etc/dpkg/origins/default", "debian"),
)
_DEFAULTS = (
    ("dot.profile", "root/.profile"),
    ("dot.bashrc", "root/.bashrc"),
    ("profile", "etc/profile"),
    ("motd", "etc/motd"),
    ("info.dir", "usr/share/info/dir"),
)
_LOGS = (("var/log/wtmp", 0o664), ("var/log/btmp", 0o660), ("var/log/lastlog", 0o664))


def apply(tree: Tree) -> None:
    """Make what is missing; the empty folders /var/run and /var/lock become links."""
    for path, mode, group in _FOLDERS:
        if path not in tree:
            tree.add(path, "dir", owner=_OWNER, mode=mode, gid=group)
    for path, target in _LINKS:
        entry = tree.get(path)
        if entry is None or (entry.kind == "dir" and not tree.under(path)):
            tree.add(path, "symlink", owner=_OWNER, link=target, replace=True)
    for name, path in _DEFAULTS:
        source = f"usr/share/base-files/{name}"
        if source in tree and path not in tree:
            tree.add(path, "file", owner=_OWNER, content=tree.read(source))
    for path, mode in _LOGS:
        if path not in tree:
            tree.add(path, "file", owner=_OWNER, mode=mode, gid=_UTMP)
