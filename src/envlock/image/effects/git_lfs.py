"""git-lfs: the filter that `git lfs install --system` registers."""

from __future__ import annotations

from envlock.image.tree import Tree

_PATH = "etc/gitconfig"
_FILTER = b"""[filter "lfs"]
\tclean = git-lfs clean -- %f
\tsmudge = git-lfs smudge -- %f
\tprocess = git-lfs filter-process
\trequired = true
"""


def apply(tree: Tree) -> None:
    """Add it to /etc/gitconfig, which no package of Debian ships; IntegrityError (`file-conflict`) where one does."""
    before = tree.read(_PATH) if _PATH in tree else b""
    if _FILTER.splitlines()[0] not in before:
        tree.add(_PATH, "file", owner="git-lfs", content=before + _FILTER)
