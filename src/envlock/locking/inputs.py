"""The normalised inputs of a lock: what `lock --check` compares, offline."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from envlock.errors import UsageError
from envlock.locking.pyproject import project_requirements
from envlock.locking.requirements_file import canonical_requirement, written_out
from envlock.locking.sources import Sources, read_sources, read_toml
from envlock.model.index import Index
from envlock.model.manifest import Environment, Manifest
from envlock.model.reference import is_reference

_URL = re.compile(r"[a-z+]+://[^\s\"]+")
_PLACE = re.compile(r"""(?:(?<![^\s="])|(?<=-[fi]))(?:file:|/|[A-Za-z]:[/\\])[^\s"]+""")
"""A folder or file of one machine, where an index or a requirement begins with it."""
LIST = "; "
"""Between the requirements of one input; `canonical_requirement` leaves none inside them."""


def normalised_inputs(
    manifest: Manifest, environment: Environment, recipe_digest: Callable[[str], str]
) -> dict[str, str]:
    """Return each input's canonical text by its name; comments and order of the manifest do not count.

    Only what is said stands here. `recipe_digest` gives the digest of a base recipe by its name.
    """
    said = {
        "python": environment.python,
        "platforms": " ".join(map(str, environment.targets)),
        "requirements": _requirements(environment.requirements),
        "frameworks": " ".join(sorted(environment.frameworks)),
        "as-of": environment.cutoff,
        "policy": environment.policy,
        "urls": environment.urls,
        "settings": _json(msgspec.to_builtins(environment.settings)),
    }
    unless_empty = {
        "groups": " ".join(sorted(environment.groups)),
        "extras": " ".join(sorted(environment.extras)),
        "constraints": _requirements(environment.constraints),
        "overrides": _requirements(environment.overrides),
        "as-of-packages": " ".join(f"{name}={cutoff}" for name, cutoff in environment.package_cutoffs.items()),
        "cuda": environment.cuda or "",
        "build": "" if environment.build else "false",
    }
    inputs = said | {name: text for name, text in unless_empty.items() if text}
    for name in environment.from_:
        inputs[f"from {name}"] = _source(environment, manifest.folder, name)
    for name in environment.hardware:
        inputs[f"hardware {name}"] = _json(_said(msgspec.to_builtins(manifest.hardware[name])))
    inputs |= _indexes(manifest.indexes)
    if environment.image is not None:
        image = msgspec.to_builtins(environment.image)
        kept = ("base", "bytecode", "entrypoint", "os-packages")
        added = {key: image[key] for key in ("run", "cmd", "env", "workdir", "user") if image[key]}
        inputs["image"] = _json(
            {key: image[key] for key in kept} | {"os-packages": sorted(image["os-packages"])} | added
        )
        if not is_reference(environment.image.base):
            inputs["recipe"] = recipe_digest(environment.image.base)
    for name, text in inputs.items():
        if name in ("requirements", "constraints", "overrides") or name.startswith(("from ", "index ")):
            inputs[name] = _PLACE.sub(_unnamed("path-"), text)
    if environment.urls == "omit":
        inputs = {name: _URL.sub(_unnamed("url-"), text) for name, text in inputs.items()}
    return inputs


def _unnamed(kind: str) -> Callable[[re.Match[str]], str]:
    """Return what stands in for a URL in a lock that names no host, and for a path in any lock."""
    return lambda found: kind + hashlib.sha256(found[0].encode()).hexdigest()[:16]


def _requirements(rows: Iterable[str]) -> str:
    return LIST.join(sorted({canonical_requirement(row) for row in rows}))


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _said(table: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing, so that keys to come do not make old locks stale."""
    kept = {key: _said(value) if isinstance(value, dict) else value for key, value in table.items()}
    return {key: value for key, value in kept.items() if value not in (None, False, [], {}, (), "simple")}


def _indexes(indexes: Iterable[Index]) -> dict[str, str]:
    """Return the canonical indexes: where a mirror of one of them stands is each machine's own affair."""
    canonical = [index for index in indexes if index.mirror_of is None]
    rows = {}
    for index in canonical:
        table = msgspec.to_builtins(index) | {"packages": sorted(index.packages)}
        del table["name"]
        rows[f"index {index.name}"] = _json(_said(table))
    if len(canonical) > 1:
        rows["indexes"] = " ".join(index.name for index in canonical)
    return rows


def _source(environment: Environment, folder: Path, name: str) -> str:
    """Return what one file of `from` asks for: its requirements, or the digest of another tool's lock."""
    path = folder / name
    if path.name in ("uv.lock", "poetry.lock"):
        sources = read_sources(msgspec.structs.replace(environment, from_=(name,)), folder)
        return hashlib.sha256(_json(msgspec.to_builtins(_without_files(sources))).encode()).hexdigest()
    if path.name != "pyproject.toml":
        return LIST.join(written_out(path, name))
    document = read_toml(path, name)
    dynamic = document.get("project", {}).get("dynamic", [])
    if "project" not in document or "dependencies" in dynamic or "optional-dependencies" in dynamic:
        return hashlib.sha256(_json(_plain(document)).encode()).hexdigest()
    rows = [canonical_requirement(row) for row in _asked(document, environment, name)]
    sources_table = document.get("tool", {}).get("uv", {}).get("sources")
    if sources_table:
        rows.append(f"tool.uv.sources sha256:{hashlib.sha256(_json(_plain(sources_table)).encode()).hexdigest()}")
    return LIST.join(sorted(set(rows)))


def _asked(document: Mapping[str, Any], environment: Environment, name: str) -> tuple[str, ...]:
    try:
        return project_requirements(document, environment.groups, environment.extras, name)
    except (AttributeError, TypeError) as error:
        raise UsageError(
            "bad-pyproject", "This is no pyproject.toml (PEP 621).", where=name, found=str(error)
        ) from None


def _without_files(sources: Sources) -> Sources:
    return msgspec.structs.replace(sources, files=())


def _plain(value: Any) -> Any:
    """Return TOML as JSON can say it."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool)) else str(value)
