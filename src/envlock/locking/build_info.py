"""What a framework's wheel says of its build: plain assignments in a Python module, and a string in a library."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from envlock.formats.wheel import WheelEntry, WheelFile
from envlock.locking.accelerators import Framework, release_of
from envlock.model.gpu import in_order

_TEXT_LIMIT = 1 << 18
_LIBRARY_LIMIT = 1 << 28
_OVERLAP = 1 << 10
"""No list of architectures is longer than this."""
_TARGET = rb"(?:(?:sm|compute)_\d{2,3}[af]?|gfx[0-9a-f]{3,4}(?::[a-z+:-]+)?)"
_LIST = re.compile(rb"\0(" + _TARGET + rb"(?:[ ;]" + _TARGET + rb")+)(?=\0)")
"""Of two or more: a single name may stand in a library for any reason."""
_NAMES = (b"sm_", b"compute_", b"gfx")
"""One of them is in every list: looking for them first is much faster than the expression, which stops at each NUL."""
_CAPABILITY = re.compile(r"(\d{1,2})\.(\d)")


class BuildInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What one wheel was built for."""

    cuda: str | None = None
    cudnn: str | None = None
    rocm: str | None = None
    targets: tuple[str, ...] = ()


def read_build_info(wheel: WheelFile, framework: Framework) -> BuildInfo:
    """Read what a wheel says; whatever it doesn't say is empty. Nothing of it is executed.

    Raises IntegrityError where the files are not those of RECORD.
    """
    entries = {entry.name: entry for entry in wheel.entries}
    text = next((entries[name] for name in framework.text if name in entries), None)
    info = parse_build_info(wheel.read(text)) if text is not None and text.size <= _TEXT_LIMIT else BuildInfo()
    library = next((entries[name] for name in framework.library if name in entries), None)
    if (info.cuda or info.rocm) and not info.targets and library is not None and library.size <= _LIBRARY_LIMIT:
        info = msgspec.structs.replace(info, targets=_targets_in(wheel, library))
    return info


def parse_build_info(text: bytes) -> BuildInfo:
    """Read the assignments of TensorFlow's build_info.py, torch's version.py or their like."""
    said = dict(_assignments(text))
    targets = said.get("cuda_compute_capabilities")
    return BuildInfo(
        cuda=_release(said, "cuda", "cuda", "cuda_version", "cuda_version_number"),
        cudnn=_release(said, "cudnn", "cudnn_version", "cudnn_version_number"),
        rocm=_release(said, "rocm", "rocm", "rocm_version", "hip"),
        targets=in_order(_spelled(targets) if isinstance(targets, list) else ()),
    )


def _assignments(text: bytes) -> Iterator[tuple[str, Any]]:
    """Yield names and literal values of the module's top level, and the pairs of an OrderedDict of literals."""
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in module.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if not isinstance(target, ast.Name) or value is None:
            continue
        pairs = isinstance(value, ast.Call) and len(value.args) == 1
        try:
            literal = ast.literal_eval(value.args[0] if pairs else value)
            yield from dict(literal).items() if pairs else [(target.id, literal)]
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue


def _release(said: dict[str, Any], fact: str, *keys: str) -> str | None:
    found = next((said[key] for key in keys if isinstance(said.get(key), str) and said[key][:1].isdigit()), None)
    if found is None or fact == "cudnn":
        return found and found.removeprefix("64_")
    return release_of(found, fact)


def _spelled(targets: list[Any]) -> Iterator[str]:
    """Yield targets as compilers name them; a bare capability 8.0 stands for its machine code and its PTX."""
    for target in targets:
        capability = _CAPABILITY.fullmatch(str(target))
        if capability is not None:
            yield from (f"{kind}_{capability[1]}{capability[2]}" for kind in ("sm", "compute"))
        elif re.fullmatch(_TARGET, str(target).encode()):
            yield str(target)


def _targets_in(wheel: WheelFile, entry: WheelEntry) -> tuple[str, ...]:
    """Return the longest list of architectures among a library's strings, as torch.cuda.get_arch_list gives it.

    The library is read to its end: only then is it known to be the file of RECORD.
    """
    found: list[bytes] = []
    tail = b""
    for chunk in wheel.chunks(entry):
        window = tail + chunk
        if any(name in window for name in _NAMES):
            found += [match[1] for match in _LIST.finditer(window)]
        tail = window[-_OVERLAP:]
    lists = sorted({tuple(re.split(r"[ ;]", text.decode())) for text in found}, key=lambda names: (-len(names), names))
    return in_order(lists[0]) if lists else ()
