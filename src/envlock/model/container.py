"""A container as `envlock run --image` asks an Engine for it."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from envlock.errors import UsageError

Gpus = Literal["required", "wanted", "none"]
"""`wanted` takes them where the Engine has them, `required` fails where it has not."""


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A folder or file of the Engine's machine inside the container."""

    source: str
    """Absolute path outside."""
    target: str
    """Absolute path inside."""
    read_only: bool = False


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """One command in one container, which is gone when the command ends."""

    image: str
    """Its ID in the Engine; a tag may move."""
    interpreter: str
    """Absolute path inside of a Python, which is the first process and passes signals on to the command."""
    argv: tuple[str, ...]
    workdir: str
    variables: dict[str, str] = {}
    """Beside those of the image."""
    mounts: tuple[Mount, ...] = ()
    user: str | None = None
    """uid or name, with gid or group after a colon; the image's own where None."""
    gpus: Gpus = "none"
    network: str | None = None
    """The Engine's default where None."""


def parse_mount(text: str, folder: str) -> Mount:
    """Parse ``SOURCE:TARGET[:ro]``; a relative source begins at `folder`, an absolute path.

    Raises UsageError (`bad-mount`).
    """
    import os.path

    found = re.fullmatch(r"(?P<source>.+?):(?P<target>/[^:]*)(:(?P<mode>ro|rw))?", text)
    if found is None:
        raise UsageError(
            "bad-mount",
            f"--volume {text!r} is not understood.",
            expected="SOURCE:TARGET or SOURCE:TARGET:ro, the target an absolute path in the container",
            found=text,
        )
    source = os.path.normpath(os.path.join(folder, os.path.expanduser(found["source"])))  # noqa: PTH118, PTH111
    return Mount(source=source, target=found["target"], read_only=found["mode"] == "ro")
