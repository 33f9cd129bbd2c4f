"""Statements about images: in-toto Statement v1 with a SLSA Provenance v1 predicate, as one canonical JSON text.

Sources: in-toto/attestation spec/v1/statement.md and resource_descriptor.md; slsa.dev/spec/v1.0/provenance.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from envlock.errors import IntegrityError
from envlock.formats.oci import canonical_json
from envlock.model import records
from envlock.model.provenance import BUILDER, Provenance, Source

IN_TOTO = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
_BUILD_TYPE = f"{BUILDER}#docs/layer-spec-v{{}}.md"
"""A package URL with a path inside: the page that says how an image follows from the parameters."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Resource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An artifact by its digests (ResourceDescriptor)."""

    name: str = ""
    digest: dict[str, str] = {}
    annotations: dict[str, Any] = {}


class _Statement(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    type_: str = msgspec.field(name="_type")
    subject: tuple[Resource, ...]
    predicate_type: str
    predicate: msgspec.Raw = msgspec.Raw(b"{}")


class _Definition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    build_type: str
    external_parameters: dict[str, Any]
    internal_parameters: dict[str, Any] = {}
    resolved_dependencies: tuple[Resource, ...] = ()


class _Builder(msgspec.Struct, frozen=True, kw_only=True):
    id: str


class _Details(msgspec.Struct, frozen=True, kw_only=True):
    builder: _Builder


class _Predicate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    build_definition: _Definition
    run_details: _Details


def provenance_statement(
    *,
    subject: str,
    name: str,
    env: str,
    lock_digest: str,
    layer_spec: int,
    project: str | None,
    source: Source | None,
) -> bytes:
    """Return the bytes of a statement about the index `subject`; equal facts give equal bytes.

    `lock_digest` and `project` are 64 hex digits. Neither a time nor a machine, user, remote or absolute path is in it.
    """
    parameters: dict[str, Any] = {"env": env, "lock": {"digest": {"sha256": lock_digest}}}
    resources = [Resource(name="lock", digest={"sha256": lock_digest})]
    if project is not None:
        resources.append(Resource(name="project files", digest={"sha256": project}))
    if source is not None:
        parameters["lock"]["path"] = source.lock_path
        said = {
            "dirty": source.dirty,
            "lockCommitted": source.lock_committed,
            "workTreeDirty": source.tree_dirty,
        }
        resources.append(Resource(name="git", digest={"gitCommit": source.commit}, annotations=said))
    predicate = _Predicate(
        build_definition=_Definition(
            build_type=_BUILD_TYPE.format(layer_spec),
            external_parameters=parameters,
            resolved_dependencies=tuple(resources),
        ),
        run_details=_Details(builder=_Builder(id=BUILDER)),
    )
    return canonical_json(
        {
            "_type": STATEMENT,
            "subject": [{"name": name, "digest": {"sha256": subject.removeprefix("sha256:")}}],
            "predicateType": PROVENANCE,
            "predicate": msgspec.to_builtins(predicate),
        }
    )


def parse_statement(raw: bytes, where: str) -> Provenance:
    """Read a statement of anybody's; what only envlock writes is empty where another builder wrote it.

    Raises IntegrityError (`bad-statement`) for what is no in-toto Statement v1, or is not as envlock writes its own.
    """
    try:
        statement = records.from_json(raw, _Statement)
        if statement.type_ != STATEMENT:
            raise ValueError(f"its _type is {statement.type_!r}")
        subjects = tuple(f"sha256:{one.digest['sha256']}" for one in statement.subject if "sha256" in one.digest)
        if statement.predicate_type != PROVENANCE:
            return Provenance(subjects=subjects, predicate_type=statement.predicate_type)
        predicate = records.from_json(statement.predicate, _Predicate)
        return _provenance(subjects, predicate)
    except (msgspec.DecodeError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(
            "bad-statement", f"A statement about the image cannot be read: {error}.", where=where
        ) from None


def _provenance(subjects: tuple[str, ...], predicate: _Predicate) -> Provenance:
    definition, builder = predicate.build_definition, predicate.run_details.builder.id
    if builder != BUILDER:
        return Provenance(subjects=subjects, predicate_type=PROVENANCE, builder=builder)
    parameters = definition.external_parameters
    resources = {resource.name: resource for resource in definition.resolved_dependencies}
    lock, project, git = resources["lock"], resources.get("project files"), resources.get("git")
    lock_digest, project_digest = lock.digest["sha256"], project.digest["sha256"] if project else None
    for digest in (lock_digest, parameters["lock"]["digest"]["sha256"], project_digest):
        if digest is not None and not _SHA256.fullmatch(digest):
            raise ValueError(f"{digest!r} is no digest")
    if parameters["lock"]["digest"]["sha256"] != lock_digest:
        raise ValueError("it names two locks")
    return Provenance(
        subjects=subjects,
        predicate_type=PROVENANCE,
        builder=builder,
        env=str(parameters["env"]),
        lock_digest=lock_digest,
        project=project_digest,
        source=_source(git, str(parameters["lock"]["path"])) if git else None,
    )


def _source(git: Resource, lock_path: str) -> Source:
    commit = git.digest["gitCommit"]
    if not _COMMIT.fullmatch(commit):
        raise ValueError(f"{commit!r} is no commit")
    flags = {name: git.annotations[name] for name in ("dirty", "lockCommitted", "workTreeDirty")}
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ValueError(f"{name} is {flag!r}")
    return Source(
        commit=commit,
        dirty=flags["dirty"],
        lock_committed=flags["lockCommitted"],
        tree_dirty=flags["workTreeDirty"],
        lock_path=_printable(lock_path),
    )


def _printable(path: str) -> str:
    """Return a path that git can be asked for, and that cannot be taken for more than one."""
    if not path.isprintable():
        raise ValueError(f"{path!r} is no path of a lock")
    return path
