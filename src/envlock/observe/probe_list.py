"""The built-in probes as their sources name them, without running anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import msgspec

from envlock.model.numerics import Device
from envlock.observe.probe_sources import every_source


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A built-in probe; which of them run depends on the version of its framework, and on the machine."""

    framework: str
    device: Device
    name: str
    sensitive: str
    """To what its result is sensitive, one line."""


def listed_probes() -> tuple[Listed, ...]:
    """Return all built-in probes, in the order of the suites and of their sources."""
    return tuple(
        Listed(
            framework=source.framework,
            device="gpu" if name.startswith(f"{source.framework}.gpu.") else "cpu",
            name=name,
            sensitive=line,
        )
        for source in every_source()
        for name, line in dict(_named(ast.parse(source.text), f"{source.framework}.")).items()
    )


def _named(tree: ast.AST, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield (name, line) of each definition: a call, of ``probe`` or of what calls it, with both as literals."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        match call.args:
            case [ast.Constant(value=str(name)), ast.Constant(value=str(line)), *_] if name.startswith(prefix):
                yield name, line
