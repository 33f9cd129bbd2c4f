"""The texts that installers write for entry points, so that a launcher is judged by writing it again.

Sources: uv (crates/uv-install-wheel/src/wheel.rs), pip with distlib (distlib/scripts.py), installer (scripts.py).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from envlock.formats.dist_info import EntryPointScript

UV = """\
# -*- coding: utf-8 -*-
import sys
from {module} import {name}
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({attr}())
"""
"""What uv writes below the first line. Our images have it too: it is part of layer spec v1 and stays."""
_INSTALLER = """\
# -*- coding: utf-8 -*-
import re
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit({attr}())
"""
_PIP = """\
# -*- coding: utf-8 -*-
import re
import sys
from {module} import {name}
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit({attr}())
"""
_PIP_25_1 = """\
import sys
from {module} import {name}
if __name__ == '__main__':
    if sys.argv[0].endswith('.exe'):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({attr}())
"""
_PIP_26 = """\
import sys
from {module} import {name}
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit({attr}())
"""
_PIP_19 = """\
# -*- coding: utf-8 -*-
import re
import sys

from {module} import {name}

if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])
    sys.exit({attr}())
"""
_TEXTS = (UV, _INSTALLER, _PIP_26, _PIP_25_1, _PIP, _PIP_19, "\n" + _PIP_19)
"""The installer library's text is also the one of uv before 0.6; pip before 19 left a blank line first."""

RELOCATABLE = b"""#!/bin/sh\n'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python' "$0" "$@"\n' '''\n"""
"""What uv writes into a venv that may be moved: the python beside the script."""


_EXEC = b"'''exec' "


def shebangs(pythons: Iterable[str]) -> Iterator[bytes]:
    """Yield the first lines, line endings included, by which an installer names one of these interpreters."""
    for python in pythons:
        yield f"#!{python}\n".encode()
        single = python.replace("'", "'\"'\"'")
        for quoted in (f"'{single}'", f'"{python}"', python):
            yield f"#!/bin/sh\n'''exec' {quoted} \"$0\" \"$@\"\n' '''\n".encode()
    yield RELOCATABLE


def launchers(script: EntryPointScript) -> Iterator[bytes]:
    """Yield the texts that follow the shebang of a generated launcher."""
    for text in _TEXTS:
        yield text.format(module=script.module, name=script.attr.partition(".")[0], attr=script.attr).encode()


def body_of(text: bytes, known: Iterable[bytes]) -> bytes | None:
    """Return what follows a known shebang; None where the text begins with another one."""
    return next((text[len(line) :] for line in known if text.startswith(line)), None)


def named_interpreter(text: bytes) -> str:
    """Return the path that a script's shebang of either form names; empty where it names none."""
    first, _, rest = text.partition(b"\n")
    if first == b"#!/bin/sh" and rest.startswith(_EXEC):
        first = b"#!" + rest.split(b"\n", 1)[0].removeprefix(_EXEC).partition(b' "$0" ')[0].strip(b"'\"")
    path = first[2:].decode("utf-8", "surrogateescape") if first.startswith(b"#!/") else ""
    return path if posixpath.basename(path).startswith("python") else ""


def any_body(text: bytes) -> bytes:
    """Return what follows a shebang of either form, whichever interpreter it names."""
    if text.startswith(b"#!/bin/sh\n'''exec' ") and (end := text.find(b"\n' '''\n")) >= 0:
        return text[end + 7 :]
    return text.partition(b"\n")[2]
