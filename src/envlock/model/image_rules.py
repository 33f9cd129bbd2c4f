"""What the values of [env.NAME.image] must be beyond their types."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import PureWindowsPath

from envlock.errors import UsageError
from envlock.model.lock import Settings
from envlock.model.manifest import ImageTable
from envlock.model.path_pattern import pattern_of
from envlock.model.reference import Reference

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME_OR_ID = r"(?:[a-z_][a-z0-9_-]{0,31}|[0-9]{1,10})"
_USER = re.compile(rf"{_NAME_OR_ID}(?::{_NAME_OR_ID})?")
VENV = "/opt/venv"
_RESERVED = (VENV, "/opt/envlock")
"""What of an image is of the lock alone."""
_MOUNTED = ("/dev", "/proc", "/run", "/sys", "/tmp")  # noqa: S108 - of the image, not of this machine
"""Where a container has something of its own."""
_LINKED = ("/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin")
"""Links, on a base with a merged /usr."""
_OF_THE_BASE = ("/", "/boot", "/etc", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/usr", "/var")
_OF_USR = ("/usr/bin", "/usr/lib", "/usr/local", "/usr/sbin", "/usr/share", "/usr/src")
"""Folders whose modes the base decides."""
_OF_SOMEBODY = ("/root", "/var/local", "/var/mail")
"""Folders that are no plain ones; Engines differ in what becomes of them where a layer has something below."""


def check_image(image: ImageTable, where: str) -> None:
    """Refuse values of one table that are wrong whatever else is merged with it; `where` names the table."""
    for key in ("entrypoint", "cmd"):
        command: tuple[str, ...] = getattr(image, key)
        if command and not command[0]:
            raise _bad(f"{key} names no program.", f"{where}.{key}", 'such as ["python", "-m", "churn.train"]', '""')
        _no_nul(command, key, f"{where}.{key}")
    _check_env(image.env, f"{where}.env")
    if image.workdir is not None:
        _check_workdir(image.workdir, f"{where}.workdir")
    if image.user is not None and not _USER.fullmatch(image.user):
        raise _bad(
            "user is neither a name nor a number.", f"{where}.user", 'such as "1000", "1000:1000" or "app"', image.user
        )
    if image.repository is not None:
        _check_repository(image.repository, f"{where}.repository")
    for entry in image.include:
        _check_include(entry, f"{where}.include")
    for step in image.run:
        if not step.strip():
            raise _bad("A step of run is empty.", f"{where}.run", "a shell command", repr(step))
    _no_nul(image.run, "run", f"{where}.run")


def check_whole_image(image: ImageTable, settings: Settings, where: str) -> None:
    """Refuse what contradicts itself once everything is merged; `where` names the environment's table."""
    for name, value in sorted(settings.variables.items()):
        if image.env.get(name, value) != value:
            raise _bad(
                f"settings and image give {name} two values; a container would have that of settings.",
                f"{where}.image.env.{name}",
                f"{value!r}, as {where.rpartition(' ')[2]}.settings has it",
                repr(image.env[name]),
                hint="Take it out of image.env.",
            )
    workdir = image.workdir
    if (
        image.include
        and workdir is not None
        and (
            workdir in (*_OF_THE_BASE, *_OF_USR)
            or _below(workdir, (*_RESERVED, *_MOUNTED, *_LINKED, *_OF_SOMEBODY))
            or re.match("/home/[^/]+/", workdir)
        )
    ):
        raise _bad(
            "The included files cannot be put there: the folder is the base's or the lock's.",
            f"{where}.image.workdir",
            'a folder of their own, such as "/app" (the default) or "/srv/app"',
            workdir,
        )


def check_variables(variables: Mapping[str, str], where: str) -> None:
    """Refuse names that no shell could set, and values that no process could be given."""
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            raise _bad("An environment variable cannot have this name.", where, "letters, digits and _", repr(name))
        _no_nul((value,), name, f"{where}.{name}")


def _check_env(env: Mapping[str, str], where: str) -> None:
    check_variables(env, where)
    path = env.get("PATH")
    if path is not None and f"{VENV}/bin" not in path.split(":"):
        raise _bad(
            "PATH without the locked environment: `python` would be another one.",
            f"{where}.PATH",
            f"a list with {VENV}/bin in it",
            path,
        )
    if env.get("VIRTUAL_ENV", VENV) != VENV:
        raise _bad(
            "VIRTUAL_ENV is where the image has the locked environment.",
            f"{where}.VIRTUAL_ENV",
            VENV,
            env["VIRTUAL_ENV"],
            hint="Take it out: the image sets it.",
        )


def _check_workdir(workdir: str, where: str) -> None:
    _no_nul((workdir,), "workdir", where)
    if not workdir.startswith("/") or posixpath.normpath(workdir) != workdir or workdir.startswith("//"):
        raise _bad(
            "workdir is not an absolute path in its shortest form.",
            where,
            posixpath.normpath("/" + workdir.lstrip("/")),
            workdir,
        )
    if not workdir.isprintable():
        raise _bad("workdir holds characters that cannot be printed.", where, 'such as "/app"', repr(workdir))


def _check_repository(repository: str, where: str) -> None:
    try:
        Reference.parse(repository)
    except UsageError as error:
        raise UsageError(
            error.reference,
            "repository is none.",
            where=where,
            expected="[HOST[:PORT]/]REPOSITORY, in lower case, such as registry.example.com/team/churn",
            found="a URL" if "://" in repository else error.found,
        ) from None
    if "@" in repository or ":" in repository.rpartition("/")[2]:
        raise _bad(
            "repository has a tag or a digest.",
            where,
            repository.partition("@")[0].rpartition(":")[0],
            repository,
            hint="Tags are given when an image is pushed: envlock push -t v1.",
        )


def _check_include(entry: str, where: str) -> None:
    if PureWindowsPath(entry).drive or entry.startswith(("/", "\\")):
        raise _bad(
            "include is relative to the manifest: an absolute path would be another one on every machine.",
            where,
            'such as "src/"',
            entry,
        )
    if "\\" in entry:
        raise _bad("include is written with forward slashes.", where, entry.replace("\\", "/"), entry)
    if ".." in entry.split("/"):
        raise _bad(
            "include climbs out of the manifest's folder.",
            where,
            "a file or folder beside or below the manifest",
            entry,
            hint="Put the manifest into the folder that holds them all.",
        )
    if not entry.strip() or entry.startswith("!") or not entry.isprintable() or _unclosed(entry):
        raise _bad("An entry of include is no pattern.", where, '"src/", "train.py" or "conf/*.yaml"', repr(entry))


def _unclosed(entry: str) -> bool:
    try:
        pattern_of(entry)
    except ValueError:
        return True
    return False


def _below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _no_nul(values: tuple[str, ...], what: str, where: str) -> None:
    if any("\0" in value for value in values):
        raise _bad(f"{what} holds a NUL, which no process can be given.", where, "text without NUL", "\\0")


def _bad(what: str, where: str, expected: str, found: str, *, hint: str = "") -> UsageError:
    return UsageError("bad-manifest", what, where=where, expected=expected, found=found, hint=hint)
