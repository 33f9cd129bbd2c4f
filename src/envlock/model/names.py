"""Patterns of names that stand in manifests and locks."""

from __future__ import annotations

from typing import Annotated

import msgspec

Project = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")]
"""A project's name (PEP 508), normalised or not."""
ENVIRONMENT = r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?"
"""What may name an environment, a hardware class or an index: part of a file name, without dots (PEP 751)."""
