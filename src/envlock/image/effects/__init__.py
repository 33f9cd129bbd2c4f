"""What maintainer scripts would have done to a base, one module for each effect, none of them run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from envlock.errors import UsageError
from envlock.image.effects import (
    adduser_conf,
    alternatives,
    base_files,
    base_passwd,
    ca_bundle,
    dpkg_status,
    fontconfig,
    ghostscript_fonts,
    git_lfs,
    graphviz_plugins,
    ld_so_cache,
    localtime,
    mime_database,
    network,
    nsswitch,
    paper_size,
    pixbuf_loaders,
    python_local,
    readline,
    shells,
    usr_merge,
)
from envlock.image.tree import Tree
from envlock.model.effects import EFFECTS

_APPLY: dict[str, Callable[[Tree], None]] = {
    "usr-merge": usr_merge.apply,
    "base-files": base_files.apply,
    "base-passwd": base_passwd.apply,
    "nsswitch": nsswitch.apply,
    "network": network.apply,
    "readline": readline.apply,
    "shells": shells.apply,
    "localtime": localtime.apply,
    "ca-bundle": ca_bundle.apply,
    "alternatives": alternatives.apply,
    "python-local": python_local.apply,
    "adduser-conf": adduser_conf.apply,
    "fontconfig": fontconfig.apply,
    "ghostscript-fonts": ghostscript_fonts.apply,
    "git-lfs": git_lfs.apply,
    "graphviz-plugins": graphviz_plugins.apply,
    "mime-database": mime_database.apply,
    "paper-size": paper_size.apply,
    "pixbuf-loaders": pixbuf_loaders.apply,
    "ld-so-cache": ld_so_cache.apply,
    "dpkg-status": dpkg_status.apply,
}


def apply_effects(tree: Tree, names: Iterable[str]) -> None:
    """Apply the effects that a lock names, in the order of `EFFECTS`.

    Raises UsageError (`unknown-effect`) for a name that a newer envlock must have written.
    """
    asked = set(names)
    if unknown := sorted(asked.difference(EFFECTS)):
        raise UsageError(
            "unknown-effect",
            "The lock names an effect that this envlock does not know.",
            expected=", ".join(EFFECTS),
            found=", ".join(unknown),
            hint="use the version of envlock that wrote the lock, or a newer one",
        )
    for name in EFFECTS:
        if name in asked:
            _APPLY[name](tree)
