"""`envlock export`: a lock in another tool's form."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Mapping
from pathlib import Path, PurePath

from envlock.errors import UsageError
from envlock.image.install import INTERPRETER, PREFIX
from envlock.image.oci import LABEL_LOCK
from envlock.image.project import DEFAULT_WORKDIR
from envlock.image.sums import Sums
from envlock.model.artifact import Wheel
from envlock.model.lock import Base, BaseImage, ImageConfig, Lock, LockFile, Package
from envlock.model.manifest import ImageTable
from envlock.model.platform import Platform

_VENV = f"/{PREFIX}"
_PLACE = "/tmp/envlock"  # noqa: S108 - a folder inside the image, not of this machine


def requirements_text(lock_file: LockFile, *, folder: Path, beside: Path) -> str:
    """Return a requirements file with the hash of every wheel, which pip installs from version 20.3 on.

    `folder` is the lock file's, `beside` the one that the requirements file will stand in: links to wheels that no
    index has, such as those that were built here, are relative to it.
    """
    lock = lock_file.lock
    where = ", ".join(map(str, lock.platforms))
    lines = [
        f"# From the lock of {lock.env!r}, sha256:{lock_file.digest}.",
        f"# Python {lock.python} on {where}: pip install --no-deps --require-hashes -r THIS-FILE",
        "--only-binary :all:",
    ]
    for wheel in off_index(lock):
        place = PurePath(os.path.relpath((folder / (wheel.path or "")).parent.absolute(), beside.absolute()))
        lines.append(f"--find-links {place.as_posix()}")
    for package in lock.packages:
        lines += _requirement(package)
    return "\n".join(lines) + "\n"


def _requirement(package: Package) -> list[str]:
    marker = f" ; {package.marker}" if package.marker else ""
    hashes = sorted({wheel.sha256 for wheel in package.wheels})
    return [
        f"{package.name}=={package.version}{marker} \\",
        *(f"    --hash=sha256:{sha256} \\" for sha256 in hashes[:-1]),
        f"    --hash=sha256:{hashes[-1]}",
    ]


def off_index(lock: Lock) -> list[Wheel]:
    """Return the wheels that no index is known to have: those built from source, and those of a folder of wheels."""
    return [
        wheel
        for package in lock.packages
        for wheel in package.wheels
        if wheel.path is not None and (package.build is not None or lock.urls == "record")
    ]


def dockerfile_text(lock_file: LockFile, image: ImageTable | None, sums: Sums, *, requirements: str) -> str:
    """Return a Dockerfile whose base is pinned by digest.

    On a base from a registry it installs `requirements`, the path of what `requirements_text` returns, relative to the
    folder that is built in. On a recipe, whose Debian packages no Dockerfile can put together the same way twice, it
    stands on the image that envlock built and pushed.

    Raises UsageError (`no-image`, `no-repository`, `not-built`).
    """
    lock = lock_file.lock
    if image is None or lock.base is None:
        raise UsageError(
            "no-image",
            f"Environment {lock.env!r} has no image, so no base to start from.",
            hint=f"Name one: [env.{lock.env}.image] base = …, and run `envlock lock {lock.env}`.",
        )
    lines = [f"# From the lock of {lock.env!r}, sha256:{lock_file.digest}."]
    if lock.base.image is not None:
        lines += [*_from_registry(lock.base.image), *_installed(lock_file, lock.base, requirements)]
    else:
        lines += _from_own_image(lock_file, image, sums)
    config = lock.image or ImageConfig()
    if image.include or config.workdir:
        lines.append(f"WORKDIR {config.workdir or DEFAULT_WORKDIR}")
    for entry in sorted(image.include):
        lines += _copied(entry)
    if config.user:
        lines.append(f"USER {config.user}")
    return "\n".join(lines) + "\n"


def _copied(entry: str) -> list[str]:
    """Return what copies an entry of `include`; COPY has no `**`, and would flatten what a folder's pattern matches."""
    path = posixpath.normpath(entry)
    head, wild = _literal_head(path)
    if not wild:
        there = "" if path == "." else path + "/" * entry.endswith("/")
        return [f"COPY {json.dumps([there or '.', f'./{there}'])}"]
    if "/" not in wild and "**" not in wild:
        return [f"COPY {json.dumps([path, f'./{head}'])}"]
    return [
        f"# Of {head or 'all files'} envlock takes {path} alone, which COPY cannot say: .dockerignore can.",
        f"COPY {json.dumps([head or '.', f'./{head}'])}",
    ]


def _literal_head(path: str) -> tuple[str, str]:
    """Split a path before its first part that has a wildcard; the head ends in a slash, or is empty."""
    parts = path.split("/")
    literal = next((at for at, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    head = "".join(f"{part}/" for part in parts[:literal])
    return head, "/".join(parts[literal:])


def _from_registry(base: BaseImage) -> list[str]:
    name = base.reference.partition("@")[0]
    if base.index is not None:
        return [f"FROM {name}@{base.index}"]
    return _stages(name, {Platform.parse(row.platform): row.digest for row in base.manifests})


def _from_own_image(lock_file: LockFile, image: ImageTable, sums: Sums) -> list[str]:
    env = lock_file.lock.env
    if image.repository is None:
        raise UsageError(
            "no-repository",
            f"The base {image.base!r} is made of Debian packages, which a Dockerfile cannot name by digest.",
            expected=f"[env.{env}.image] repository = …, to start from the image that envlock made",
            hint=f"Without a registry: envlock build {env} -o docker-archive:FILE, or -o engine.",
        )
    digests = {
        platform: digest
        for platform in lock_file.lock.platforms
        if platform.is_linux and (digest := sums.images.get((lock_file.digest, str(platform))))
    }
    if not digests:
        raise UsageError(
            "not-built",
            "envlock.sum does not know the image of this lock yet.",
            hint=f"Build it, so that its digest is known: envlock build {env}",
        )
    return [
        f"# The image that `envlock build {env}` makes: {_VENV} holds the locked packages.",
        *_stages(image.repository, digests),
    ]


def _stages(name: str, digests: Mapping[Platform, str]) -> list[str]:
    """Return FROM lines; where there are several platforms, BuildKit chooses the one that it builds for."""
    if len(digests) == 1:
        return [f"FROM {name}@{digest}" for digest in digests.values()]
    rows = [f"FROM {name}@{digest} AS base-{platform.architecture}" for platform, digest in sorted(digests.items())]
    return [*rows, "FROM base-${TARGETARCH}"]


def _installed(lock_file: LockFile, base: Base, requirements: str) -> list[str]:
    """Return what brings the locked packages and settings into a base from a registry, whose entry point goes."""
    lock = lock_file.lock
    config = lock.image or ImageConfig()
    variables = config.env | lock.settings.variables
    lines = []
    if base.packages:
        linux = next(platform for platform in lock.platforms if platform.is_linux)
        names = [f"{deb.name}={deb.version}" for deb in base.of(linux)]
        lines += [
            "# A mirror forgets old versions; `envlock build` takes them by sha256 from an archive that does not.",
            "RUN apt-get update \\",
            f" && apt-get install --yes --no-install-recommends {' '.join(names)} \\",
            " && rm -rf /var/lib/apt/lists/*",
        ]
    if base.run:
        lines.append("# `envlock lock` executed these once; `envlock build` takes what they changed by sha256.")
        lines += [f"RUN {json.dumps(['/bin/sh', '-c', step], ensure_ascii=False)}" for step in base.run]
    lines.append(f"COPY {json.dumps([requirements, f'{_PLACE}/{requirements}'])}")
    folders = sorted({str(PurePath("lockfiles", wheel.path or "").parent) for wheel in off_index(lock)})
    lines += [f"COPY {json.dumps([f'{folder}/', f'{_PLACE}/{folder}/'])}" for folder in folders]
    lines += [
        f"RUN {base.interpreter} -m venv {_VENV} \\",
        f" && {INTERPRETER} -m pip install --no-cache-dir --no-deps --require-hashes -r {_PLACE}/{requirements} \\",
        f" && rm -r {_PLACE}",
        f"ENV PATH={_VENV}/bin:$PATH",
        *(f"ENV {name}={_quoted(value)}" for name, value in sorted(variables.items())),
        f'LABEL {LABEL_LOCK}="sha256:{lock_file.digest}"',
        f"ENTRYPOINT {json.dumps(list(config.entrypoint), ensure_ascii=False)}",
    ]
    command = config.cmd or (() if config.entrypoint else ("python",))
    if command:
        lines.append(f"CMD {json.dumps(list(command), ensure_ascii=False)}")
    return lines


def _quoted(value: str) -> str:
    """Return a value that a Dockerfile takes literally: it would put variables in place of $NAME."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
