"""Edges of which a test uses only some."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from envlock.model.edges import NoProgress
from envlock.operations.edges import Edges


def edges_with(**given: Any) -> Edges:
    """Return edges of the given ones; the others are None, and fail whoever reaches for them."""
    unused: dict[str, Any] = {field.name: None for field in dataclasses.fields(Edges) if not _has_default(field)}
    known = {"progress": NoProgress(), "now": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)}
    return Edges(**unused | known | given)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
