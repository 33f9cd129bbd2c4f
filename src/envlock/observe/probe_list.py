"""The built-in probes as their sources name them, without running anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

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
    """Yield (name, line) wherever both stand beside each other: in calls of `probe`, and in tables of such calls."""
    for node in sorted(ast.walk(tree), key=lambda node: getattr(node, "lineno", 0)):
        parts: Sequence[ast.expr] = node.args if isinstance(node, ast.Call) else getattr(node, "elts", ())
        texts = [part.value for part in parts[:2] if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if len(texts) == 2 and texts[0].startswith(prefix):
            yield texts[0], texts[1]
