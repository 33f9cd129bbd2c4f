"""Finds and parses the manifest: what comes out of here is checked, and errors say key, expected and found."""

from __future__ import annotations

import datetime
import re
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from envlock.errors import UsageError, did_you_mean
from envlock.model import records
from envlock.model.extends import merged
from envlock.model.hardware import parse_hardware
from envlock.model.index import Index
from envlock.model.manifest import FILENAME, Environment, Manifest, ReviewTable
from envlock.model.manifest_rules import check_environment, check_indexes, check_parts, check_review
from envlock.model.names import ENVIRONMENT

_NUMBERS = ("Expected `str`, got `float`", "Expected `str`, got `int`")
"""What msgspec says of `python = 3.9`."""
_LIST = "Expected `array`, got `str`"
"""What it says of `os-packages = "libgomp1"`."""
_CONFLICT = re.compile(rb"^(<{7}|>{7})( .*)?\r?$", re.MULTILINE)


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """The top level of a manifest."""

    env: dict[str, Any] = {}
    index: tuple[Index, ...] = ()
    hardware: dict[str, Any] = {}
    review: ReviewTable = ReviewTable()


def find_manifest(start: Path) -> Manifest:
    """Read envlock.toml, or pyproject.toml with [tool.envlock], of `start` or the nearest folder above it."""
    for folder in (start, *start.parents):
        path = folder / FILENAME
        if path.is_file():
            return parse_manifest(path, read_document(path.read_bytes(), path.name))
        path = folder / "pyproject.toml"
        if path.is_file():
            table = own_table(read_document(path.read_bytes(), path.name))
            if table is not None:
                return parse_manifest(path, table)
    raise UsageError(
        "no-manifest",
        f"There is no {FILENAME} here or in a folder above.",
        hint='Run `envlock init`, or write one:\n\n[env.train]\npython = "3.11"\nfrom = "requirements.txt"\n',
    )


def read_document(raw: bytes, name: str) -> dict[str, Any]:
    """Read TOML; UsageError (`conflict-markers`, `bad-manifest`) with the line."""
    conflict = _CONFLICT.search(raw)
    if conflict is not None:
        line = raw.count(b"\n", 0, conflict.start()) + 1
        raise UsageError(
            "conflict-markers",
            "The manifest has conflict markers.",
            where=f"{name}, line {line}",
            hint="Keep what both sides want, then run `envlock lock`: it resolves the locks.",
        )
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError("bad-manifest", "The manifest is not UTF-8.", where=name, found=str(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            "bad-manifest", "The manifest is not TOML.", where=name, found=str(error), hint="Mend that line."
        ) from None


def own_table(pyproject: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return [tool.envlock] of a pyproject.toml, None where it has no such table."""
    tools = pyproject.get("tool")
    table = tools.get("envlock") if isinstance(tools, dict) else None
    return table if isinstance(table, dict) else None


def parse_manifest(path: Path, document: dict[str, Any]) -> Manifest:
    """Check a manifest's tables; UsageError (`bad-manifest`, `unknown-key`, …) says key, expected and found."""
    where = path.name
    _check_keys(document, _Document, where, "")
    document = _dates_as_text(document)
    tables = document.get("env")
    if not isinstance(tables, dict) or not tables:
        raise UsageError(
            "bad-manifest", "The manifest has no environment.", where=where, expected="a table such as [env.train]"
        )
    top = _convert({key: value for key, value in document.items() if key != "env"}, _Document, where, "")
    check_indexes(top.index, where)
    check_review(top.review, f"{where}: review.labels")
    _check_names(top.hardware, "a hardware class", where)
    hardware = {name: parse_hardware(name, table, where) for name, table in top.hardware.items()}
    _check_names(tables, "an environment", where)
    tables = {name: _lists(table) for name, table in tables.items()}
    environments = {}
    for name, table in tables.items():
        _check_keys(table, Environment, where, f"env.{name}")
        own = _convert(_with_base(table), Environment, where, f"env.{name}")
        check_parts(own, hardware, f"{where}: env.{name}")
    for name in tables:
        whole = merged(tables, name, where)
        if not whole.get("abstract"):
            environment = _convert(whole, Environment, where, f"env.{name}")
            check_environment(name, environment, f"{where}: env.{name}")
            environments[name] = environment
    if not environments:
        raise UsageError(
            "bad-manifest", "Every environment of the manifest is abstract.", where=where, hint="Extend one of them."
        )
    return Manifest(
        folder=path.parent,
        path=path,
        environments=environments,
        indexes=top.index,
        hardware=hardware,
        review=top.review,
    )


def _lists(table: Any) -> Any:
    """Let `from` and `extends` be one name instead of a list."""
    if not isinstance(table, dict):
        return table
    return {k: [v] if k in ("from", "extends") and isinstance(v, str) else v for k, v in table.items()}


def _with_base(table: Any) -> Any:
    """Let an image have no base: another table may bring it, and the merged one is asked for it."""
    image = table.get("image") if isinstance(table, dict) else None
    return table | {"image": {"base": "", **image}} if isinstance(image, dict) else table


def _dates_as_text(value: Any) -> Any:
    """Turn TOML's dates and times into ISO 8601, wherever they stand."""
    if isinstance(value, dict):
        return {key: _dates_as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_dates_as_text(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def _check_names(tables: Mapping[str, Any], what: str, where: str) -> None:
    for name in tables:
        if not re.fullmatch(ENVIRONMENT, name):
            raise UsageError(
                "bad-manifest",
                f"{name!r} cannot name {what}.",
                where=where,
                expected="lower-case letters, digits, - and _ (names become parts of file names without dots: PEP 751)",
            )


_Record = typing.TypeVar("_Record", bound=msgspec.Struct)


def _convert(table: Any, kind: type[_Record], where: str, key: str) -> _Record:
    try:
        return records.convert(table, kind)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at ")
        path = key + at.strip("`").removeprefix("key in ").removeprefix("$")
        raise UsageError(
            "bad-manifest",
            what + ".",
            where=f"{where}: {path.removeprefix('.')}",
            expected=_choices(kind, at.strip("`").removeprefix("$.").replace("[...]", ""))
            if what.startswith("Invalid enum value")
            else "",
            hint="Put it in quotes." if what.startswith(_NUMBERS) else "Write a list: [...]" if what == _LIST else "",
        ) from None


def _choices(kind: type[msgspec.Struct], path: str) -> str:
    """Return what a field, named by its path of keys, may be."""
    name, _, rest = path.partition(".")
    types = [field.type for field in msgspec.structs.fields(kind) if field.encode_name == name]
    options = [option for type_ in types for option in (type_, *typing.get_args(type_))]
    if rest:
        return next((_choices(option, rest) for option in options if _is_record(option)), "")
    found = [value for option in options if typing.get_origin(option) is typing.Literal for value in option.__args__]
    return "one of: " + ", ".join(sorted(map(str, found))) if found else ""


def _check_keys(table: Any, kind: type[msgspec.Struct], where: str, key: str) -> None:
    """Refuse a key that no field of `kind` is called by, in the tables inside too."""
    if not isinstance(table, dict):
        return
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    for name, value in table.items():
        if name not in fields:
            raise UsageError(
                "unknown-key",
                f"The manifest has an unknown key {name!r}.",
                where=f"{where}: {key or 'top level'}",
                expected="one of: " + ", ".join(sorted(fields)),
                found=name,
                hint=did_you_mean(name, fields),
            )
        inner = next((t for t in (fields[name], *typing.get_args(fields[name])) if _is_record(t)), None)
        if inner is None:
            continue
        path = f"{key}.{name}".removeprefix(".")
        if isinstance(value, list):
            for number, row in enumerate(value):
                _check_keys(row, inner, where, f"{path}[{number}]")
        else:
            _check_keys(value, inner, where, path)


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
