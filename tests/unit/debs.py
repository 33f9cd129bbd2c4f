"""Debian packages and archives made in memory, well-formed or not."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from envlock.errors import UsageError
from envlock.model.artifact import Deb, Suite
from envlock.model.edges import Task

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def member(name: str, content: bytes | str = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """Return a tar member; `fields` are attributes of TarInfo."""
    body = content.encode() if isinstance(content, str) else content
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    info.size = len(body)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, body


def folder(name: str, mode: int = 0o755, **fields: int | str) -> tuple[tarfile.TarInfo, bytes]:
    """Return a tar member for a folder."""
    info, body = member(name, type=tarfile.DIRTYPE, mode=mode)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, body


def link(name: str, target: str, *, hard: bool = False) -> tuple[tarfile.TarInfo, bytes]:
    """Return a tar member for a link."""
    return member(name, type=tarfile.LNKTYPE if hard else tarfile.SYMTYPE, linkname=target)


def tar(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return an uncompressed tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, body in members:
            archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def ar(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return an ar archive."""
    out = b"!<arch>\n"
    for name, body in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n".encode() + body + b"\n" * (len(body) % 2)
    return out


def deb_bytes(
    name: str = "sample",
    version: str = "1.0-1",
    data: Iterable[tuple[tarfile.TarInfo, bytes]] = (),
    *,
    architecture: str = "amd64",
    control: Mapping[str, str | bytes] | None = None,
    compress: Callable[[bytes], bytes] = lzma.compress,
    suffix: str = "xz",
) -> bytes:
    """Return a package with these files; `control` adds scripts and other control files."""
    text = f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
    files = {"control": text, **(control or {})}
    controls = [member(f"./{key}", value) for key, value in files.items()]
    return ar(
        [
            ("debian-binary", b"2.0\n"),
            (f"control.tar.{suffix}", compress(tar(controls))),
            (f"data.tar.{suffix}", compress(tar(data))),
        ]
    )


class Pool:
    """An archive of made packages: implements `model.edges.Archives` and returns paths by Deb."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[tuple[str, str], bytes] = {}
        self.debs: dict[str, Deb] = {}
        self.fields: dict[str, dict[str, str]] = {}

    def add(
        self,
        name: str,
        version: str = "1.0-1",
        data: Iterable[tuple[tarfile.TarInfo, bytes]] = (),
        *,
        architecture: str = "amd64",
        archive: str = "debian",
        control: Mapping[str, str | bytes] | None = None,
        **fields: str,
    ) -> Deb:
        """Make a package and put it into the pool; `fields` (Depends, Provides) go to its index."""
        raw = deb_bytes(name, version, data, architecture=architecture, control=control)
        deb = Deb(
            name=name,
            version=version,
            architecture=architecture,
            archive=archive,
            path=f"pool/{name}_{version.replace(':', '%3a')}_{architecture}.deb",
            size=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(),
        )
        self.files[(archive, deb.path)] = raw
        self.debs[f"{archive} {name} {version} {architecture}"] = deb
        self.fields[deb.sha256] = fields
        return deb

    def path(self, deb: Deb) -> Path:
        """Return the file of a package, as a cache would."""
        path = self.folder / f"{deb.sha256}.deb"
        path.write_bytes(self.files[(deb.archive, deb.path)])
        return path

    def stanzas(self, archive: str, architecture: str) -> bytes:
        """Return the Packages index of an archive."""
        out = []
        for deb in self.debs.values():
            if deb.archive == archive and deb.architecture in (architecture, "all"):
                fields = {
                    "Package": deb.name,
                    "Version": deb.version,
                    "Architecture": deb.architecture,
                    **{key.replace("_", "-"): value for key, value in self.fields[deb.sha256].items()},
                    "Filename": deb.path,
                    "Size": str(deb.size),
                    "SHA256": deb.sha256,
                }
                out.append("".join(f"{key}: {value}\n" for key, value in fields.items()))
        return "\n".join(out).encode()

    def publish(
        self,
        archive: str,
        suite: str,
        architectures: Iterable[str],
        signer: Signer,
        *,
        components: Iterable[str] = ("main",),
        **fields: str,
    ) -> None:
        """Write the indexes of a suite, all packages in its first component, and sign its release file."""
        rows = []
        for architecture in architectures:
            stanzas = self.stanzas(archive, architecture)
            for component in components:
                index = lzma.compress(stanzas)
                stanzas = b""
                digest = hashlib.sha256(index).hexdigest()
                place = f"{component}/binary-{architecture}"
                self.files[(archive, f"dists/{suite}/{place}/by-hash/SHA256/{digest}")] = index
                rows.append(f" {digest} {len(index)} {place}/Packages.xz\n")
        ubuntu = {"Label": "Ubuntu", "Suite": suite, "Codename": suite.partition("-")[0]}
        debian = {"Label": "Debian-Security" if archive == "debian-security" else "Debian", "Codename": suite}
        head = {
            **(ubuntu if archive.startswith("ubuntu") else debian),
            "Date": "Thu, 01 Jan 2026 10:00:00 UTC",
            "Acquire-By-Hash": "yes",
            **{key.replace("_", "-"): value for key, value in fields.items()},
        }
        text = "".join(f"{key}: {value}\n" for key, value in head.items()) + "SHA256:\n" + "".join(rows)
        self.files[(archive, f"dists/{suite}/InRelease")] = signer.sign(text)

    def index(self, archive: str, path: str, *, limit: int) -> bytes:
        """Return a published file."""
        try:
            found = self.files[(archive, path)]
        except KeyError:
            raise UsageError("not-found", "The server answered 404.", where=path) from None
        assert len(found) <= limit
        return found

    def deb(self, deb: Deb, destination: Path, progress: Task) -> None:
        """Copy a package."""
        destination.write_bytes(self.files[(deb.archive, deb.path)])

    def ask(self, deb: Deb) -> None:
        """Look a package up."""
        self.index(deb.archive, deb.path, limit=deb.size)

    def at(self, suites: Iterable[Suite]) -> Pool:
        """Return the same pool at any time."""
        return self


class Signer:
    """A certificate of the test's own."""

    def __init__(self) -> None:
        from pysequoia import Tsk

        self._secret = Tsk.generate("Test archive <archive@example.com>")
        self.cert = self._secret.extract_certificate()

    def expiring(self, moment: datetime) -> Any:
        """Return the certificate with an end of its life, which the key itself does not know of."""
        return self.cert.set_expiration(expiration=moment, certifier=self._secret.certifier())

    def sign(self, text: str) -> bytes:
        """Return the text signed in the clear, as an InRelease is."""
        from pysequoia import SignatureMode, sign

        return bytes(sign(self._secret.signer(), text.encode(), mode=SignatureMode.CLEAR))
