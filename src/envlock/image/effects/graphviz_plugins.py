"""graphviz-plugins: the register of graphviz's plugins, as `dot -c` writes it, without which there is no layout."""

from __future__ import annotations

import posixpath
import re
from importlib.resources import files

from envlock.errors import UsageError
from envlock.image.tree import Tree

_PLUGIN = re.compile(r"^(?P<name>libgvplugin_\S+\.so\.6) ", re.MULTILINE)


def apply(tree: Tree) -> None:
    """Write config6a beside the plugins.

    The text is the one that `dot -c` of graphviz 2.42 writes on Debian 11, 12 and 13 alike; UsageError
    (`unknown-plugin`) where the plugins are others than those it names.
    """
    text = (files("envlock") / "data" / "registries" / "graphviz-config6a").read_text(encoding="utf-8")
    named = sorted(match["name"] for match in _PLUGIN.finditer(text))
    folders: dict[str, list[str]] = {}
    for entry in tree.under("usr/lib", ".so.6"):
        folder, name = posixpath.split(entry.path)
        if posixpath.basename(folder) == "graphviz" and name.startswith("libgvplugin_"):
            folders.setdefault(folder, []).append(name)
    for folder, names in folders.items():
        if names != named:
            raise UsageError(
                "unknown-plugin",
                "Graphviz has other plugins than those whose register envlock knows.",
                where=f"/{folder}",
                expected=" ".join(named),
                found=" ".join(names),
                hint="leave out the package that brings the others",
            )
        tree.add(f"{folder}/config6a", "file", owner="graphviz-plugins", content=text.encode())
