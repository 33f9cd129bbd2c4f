"""The answer of `which` as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import msgspec

from envlock.errors import one_line
from envlock.model.origin import Here, Origin, Statement
from envlock.model.provenance import Provenance, Signature, Source
from envlock.report.style import Style, plain


def origin_text(origin: Origin, *, style: Style = plain) -> str:
    """Return one line for each thing that is known, with the names that `build` and `push` print too."""
    lines = [style(one_line(origin.reference), "strong")]
    lines += [f"  {label:<15} {one_line(value)}" for label, value in _rows(origin)]
    lines += [style(f"  {'wrong':<15} {one_line(problem)}", "bad") for problem in origin.problems]
    if origin.unproven:
        lines.append(style(f"  {'unproven':<15} {one_line(origin.unproven)}", "warn"))
    return "\n".join(lines) + "\n"


def origin_json(origin: Origin) -> str:
    """Return everything that is known, an image's digests under the keys that `build` and `push` give them."""
    said = msgspec.to_builtins(origin)
    lock = said.pop("lock_digest")
    said["lock"] = f"sha256:{lock}" if lock else None
    said["platforms"] = {one.platform: {"manifest": one.manifest, "image": one.image_id} for one in origin.platforms}
    return json.dumps({"schema": 1, **said, "exit_code": origin.exit_code}, indent=2)


def _rows(origin: Origin) -> Iterator[tuple[str, str]]:
    if origin.lock_digest:
        yield "lock", f"sha256:{origin.lock_digest}"
        yield "env", origin.env or "not said"
        yield "spec", origin.layer_spec or "not said"
    else:
        yield "lock", "none: this is no image of envlock"
    if origin.project:
        yield "project files", f"sha256:{origin.project}"
    if origin.index:
        yield "index digest", origin.index
    for one in origin.platforms:
        if one.manifest:
            yield "manifest digest", f"{one.manifest}  {one.platform}"
        yield "image ID", one.image_id if one.manifest else f"{one.image_id}  {one.platform}"
    for provenance, signatures in _said(origin.statements).items():
        yield _statement(provenance, signatures)
    for artifact in origin.artifacts:
        yield "attached", f"{artifact.digest}  {artifact.artifact_type}"
    if origin.here is not None:
        yield "here", _here(origin.here)


def _said(statements: Iterable[Statement]) -> dict[Provenance, list[Signature]]:
    """Return what is said, once each, with everybody who signed it; what contradicts the image is not among it."""
    said: dict[Provenance, list[Signature]] = {}
    for statement in statements:
        if statement.provenance is not None and not statement.problem:
            said.setdefault(statement.provenance, []).extend(statement.signatures)
    return said


def _statement(provenance: Provenance, signatures: Iterable[Signature]) -> tuple[str, str]:
    signed = "; ".join(map(_signature, signatures)) or "unsigned"
    if not provenance.ours:
        by = f" of {provenance.builder}" if provenance.builder else ""
        return "statement", f"{provenance.predicate_type}{by}, {signed}"
    if provenance.source is None:
        return "commit", f"none: made outside a git repository, {signed}"
    return "commit", f"{provenance.source.commit}, {_state(provenance.source)}, {signed}"


def _state(source: Source) -> str:
    if not source.lock_committed:
        return "but the lock was not committed"
    if source.dirty:
        return "with uncommitted changes in what the image is made of"
    return "clean" if not source.tree_dirty else "clean (other files had uncommitted changes)"


def _signature(signature: Signature) -> str:
    match signature.standing:
        case "trusted":
            return f"signed by {signature.principal} ({signature.key})"
        case "unchecked":
            return f"signed by {signature.key}, not checked against anybody"
        case "unknown":
            return f"signed by {signature.key}, who is no allowed signer ({signature.why})"
        case "unreadable":
            return f"signed by {signature.key}, not checked ({signature.why})"
        case "wrong":
            return f"with a wrong signature of {signature.key or 'nobody'}"


def _here(here: Here) -> str:
    if here.env is not None:
        return f"the current lock of {here.env}"
    if here.held is not None:
        return f"an older lock: {here.held.path} of commit {here.held.commit}"
    return "not a lock of this project"
