"""git-lfs: the filter that `git lfs install --system` registers."""

from __future__ import annotations

from envlock.image.tree import Tree

_FILTER = b"""[filter "lfs"]
\tclean = git-lfs clean -- %f
\tsmudge = git-lfs smudge -- %f
\tprocess = git-lfs filter-process
\trequired = true
"""


def apply(tree: Tree) -> None:
    """Write /etc/gitconfig, which no package of Debian ships; IntegrityError (`file-conflict`) where one does."""
    tree.add("etc/gitconfig", "file", owner="git-lfs", content=_FILTER)
