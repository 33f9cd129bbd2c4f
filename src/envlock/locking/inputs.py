"""The normalised inputs of a lock: what `lock --check` compares, offline."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path

import msgspec

from envlock.errors import UsageError
from envlock.model.manifest import Environment

_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)")


def normalised_inputs(environment: Environment, folder: Path, recipe_digest: Callable[[str], str]) -> dict[str, str]:
    """Return each input's canonical text by its name; comments and order of the manifest do not count.

    `recipe_digest` gives the digest of a base recipe by its name.
    """
    inputs = {
        "python": environment.python,
        "platforms": " ".join(map(str, environment.targets)),
        "requirements": "; ".join(environment.requirements),
        "frameworks": " ".join(sorted(environment.frameworks)),
        "as-of": environment.cutoff,
        "policy": environment.policy,
        "urls": environment.urls,
        "settings": json.dumps(msgspec.to_builtins(environment.settings), sort_keys=True),
    }
    for name in environment.from_:
        inputs[f"from {name}"] = _requirements_digest(folder / name)
    if environment.groups:
        inputs["groups"] = " ".join(sorted(environment.groups))
    if environment.image is not None:
        image = environment.image
        inputs["image"] = json.dumps(msgspec.to_builtins(image), sort_keys=True)
        inputs["recipe"] = recipe_digest(image.base)
    return inputs


def _requirements_digest(path: Path, seen: AbstractSet[Path] = frozenset()) -> str:
    """Hash what a requirements file or pyproject.toml asks for, and the files it includes, without comments."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(
            "no-requirements", f"The requirements cannot be read: {error.strerror}.", where=str(path)
        ) from None
    lines = (line.strip() for line in text.splitlines())
    kept = [line for line in lines if line and not line.startswith("#")]
    if path.name != "pyproject.toml" and path.resolve() not in seen:
        included = [found[1] for line in kept if (found := _INCLUDE.match(line))]
        kept += [_requirements_digest(path.parent / name, {*seen, path.resolve()}) for name in included]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def changed_inputs(locked: dict[str, str], current: dict[str, str]) -> list[str]:
    """Return one line for each input that was added, removed or changed since the lock was made."""
    lines = []
    for name in sorted({*locked, *current}):
        old, new = locked.get(name), current.get(name)
        if old == new:
            continue
        if old is None:
            lines.append(f"{name}: added, {new}")
        elif new is None:
            lines.append(f"{name}: removed, was {old}")
        else:
            lines.append(f"{name}: {old} → {new}")
    return lines
