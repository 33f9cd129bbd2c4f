"""network: the names of this machine's own addresses, as netbase's postinst writes them."""

from __future__ import annotations

from envlock.image.tree import Tree

_HOSTS = b"""127.0.0.1\tlocalhost
::1\t\tlocalhost ip6-localhost ip6-loopback
ff02::1\t\tip6-allnodes
ff02::2\t\tip6-allrouters

"""
_NETWORKS = b"""default\t\t0.0.0.0
loopback\t127.0.0.0
link-local\t169.254.0.0

"""


def apply(tree: Tree) -> None:
    """Write /etc/hosts and /etc/networks where there are none; a container runtime mounts its own over the first."""
    for path, content in (("etc/hosts", _HOSTS), ("etc/networks", _NETWORKS)):
        if path not in tree:
            tree.add(path, "file", owner="network", content=content)
