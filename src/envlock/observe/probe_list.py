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
    return tuple(probe for source in every_source() for probe in probes_in(source.framework, source.text))


def probes_in(framework: str, text: str) -> tuple[Listed, ...]:
    """Return the probes that the text of a suite defines, in its order.

    A definition is a call, of ``probe`` or of what calls it in turn, with two literals: a name and a line.
    """
    return tuple(
        Listed(
            framework=framework,
            device="gpu" if name.startswith(f"{framework}.gpu.") else "cpu",
            name=name,
            sensitive=line,
        )
        for name, line in _named(ast.parse(text), f"{framework}.")
    )


def _named(tree: ast.AST, prefix: str) -> Iterator[tuple[str, str]]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        match call.args:
            case [ast.Constant(value=str(name)), ast.Constant(value=str(line)), *_] if name.startswith(prefix):
                yield name, line
