"""Makes small real wheels, and broken ones, for tests."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from pathlib import Path


def record_line(name: str, data: bytes) -> str:
    """Return the RECORD row of a file."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def make_wheel(
    folder: Path,
    name: str = "demo",
    version: str = "1.0",
    files: dict[str, bytes] | None = None,
    *,
    tag: str = "py3-none-any",
    record: str | None = None,
    executable: frozenset[str] = frozenset(),
    stored: frozenset[str] = frozenset(),
    extra: tuple[tuple[zipfile.ZipInfo | str, bytes], ...] = (),
    requires: tuple[str, ...] = (),
) -> Path:
    """Write a wheel of these files plus the metadata that makes it whole; `extra` entries are not in RECORD."""
    dist_info = f"{name}-{version}.dist-info"
    contents = dict({f"{name}/__init__.py": b"value = 1\n"} if files is None else files)
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    contents.setdefault(
        f"{dist_info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}".encode()
    )
    contents.setdefault(f"{dist_info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode())
    rows = "".join(record_line(path, data) for path, data in contents.items())
    contents[f"{dist_info}/RECORD"] = (rows + f"{dist_info}/RECORD,,\n" if record is None else record).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in contents.items():
            info = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            info.external_attr = (0o100755 if path in executable else 0o100644) << 16
            info.create_system = 3
            info.compress_type = zipfile.ZIP_STORED if path in stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
        for info_or_path, data in extra:
            archive.writestr(info_or_path, data)
    wheel = folder / f"{name}-{version}-{tag}.whl"
    wheel.write_bytes(buffer.getvalue())
    return wheel
