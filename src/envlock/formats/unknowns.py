"""Records of which single fields may be unknown, as plain JSON and back: msgspec knows no union of two records."""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

from envlock.model import records
from envlock.model.unknown import Unknown

_Record = TypeVar("_Record", bound=msgspec.Struct)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: what is unknown under a key of that name, what is as usual left out."""
    if isinstance(value, Unknown):
        return {"unknown": value.reason} | ({"hint": value.hint} if value.hint else {})
    if isinstance(value, msgspec.Struct):
        fields = _fields(type(value))
        shown = ((field, getattr(value, field.name)) for field in fields)
        return {f.encode_name: plain(each) for f, each in shown if f.required or each != _default(f)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def record(raw: Any, kind: type[_Record]) -> _Record:
    """Return the record that `plain` was given; raises ``msgspec.ValidationError``."""
    if not isinstance(raw, dict):
        raise msgspec.ValidationError(f"{kind.__name__} is not an object")
    fields = _fields(kind)
    if kind.__struct_config__.forbid_unknown_fields and (extra := raw.keys() - {field.encode_name for field in fields}):
        raise msgspec.ValidationError(f"{kind.__name__} has an unknown field `{min(extra)}`")
    values = {}
    for field in fields:
        if field.encode_name in raw:
            values[field.name] = _value(raw[field.encode_name], field.type, field.encode_name)
        elif field.required:
            raise msgspec.ValidationError(f"{kind.__name__} has no `{field.encode_name}`")
    return kind(**values)


def _value(raw: Any, kind: Any, name: str) -> Any:
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    try:
        if Unknown in options and isinstance(raw, dict) and "unknown" in raw:
            return Unknown(reason=records.convert(raw["unknown"], str), hint=records.convert(raw.get("hint", ""), str))
        if raw is None and types.NoneType in options:
            return None
        inner = next((each for each in options if each not in (Unknown, types.NoneType)), Unknown)
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            return record(raw, inner)
        return records.convert(raw, inner if Unknown in options else kind)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"{name}: {error}") from None


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return a record's fields, whose types take far longer to find than a record does to read."""
    return msgspec.structs.fields(kind)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default
