"""Maintainer scripts: every one is known, or the lock stops, because nothing ever runs them."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from envlock.errors import UsageError
from envlock.model import records
from envlock.model.artifact import Deb
from envlock.model.recipe import KnownScript

SCRIPTS: tuple[Literal["preinst"], Literal["postinst"]] = ("preinst", "postinst")

_MULTIARCH = {"amd64": b"x86_64-linux-gnu", "arm64": b"aarch64-linux-gnu"}
_SNIPPET = re.compile(
    rb"^# Automatically added by (?P<tool>[a-z0-9_]+)[^\n]*\n.*?^# End automatically added section[^\n]*\n?",
    re.DOTALL | re.MULTILINE,
)
_INERT = re.compile(rb"\s*(?:#.*|set -[eu]+|exit 0|:)?\s*")
"""Lines that do nothing by themselves."""
_DEBHELPER: Mapping[str, tuple[str, ...]] = {
    # In a fresh root these find nothing to move away, to stop or to start.
    "dh_installdeb": (),
    "dh_installinit": (),
    "dh_installmenu": (),
    "dh_installsystemd": (),
    "dh_installsystemduser": (),
    "dh_installtmpfiles": (),
    "dh_systemd_enable": (),
    "dh_systemd_start": (),
    "dh_ucf": (),
    # They refresh caches that envlock makes, or that need the tool that is not there.
    "dh_installmime": (),
    "dh_icons": (),
    "dh_makeshlibs": ("ld-so-cache",),
    "dh_installalternatives": ("alternatives",),
    # Bytecode of Debian's own modules is compiled with the image.
    "dh_python3": (),
    "dh_pypy": (),
}


class Unknown(msgspec.Struct, frozen=True):
    """A script that nobody has read for envlock."""

    package: str
    script: str
    sha256: str


def effects_of(packages: Iterable[tuple[Deb, Mapping[str, bytes]]], known: Sequence[KnownScript]) -> set[str]:
    """Return the effects that replace the maintainer scripts of packages; arguments and errors as for `replaced`."""
    return {effect for effects in replaced(packages, known).values() for effect in effects}


def replaced(
    packages: Iterable[tuple[Deb, Mapping[str, bytes]]], known: Sequence[KnownScript]
) -> dict[str, tuple[str, ...]]:
    """Return, by package, the effects that replace its maintainer scripts; packages are given with their control files.

    Packages without a script are left out; no effect stands for scripts that have nothing to do in an image.
    `known` is added to the list that comes with envlock. Raises UsageError (`unknown-script`) that names every script
    that is neither made of debhelper's snippets alone nor listed.
    """
    listed = {(each.package, each.script, each.sha256): each.effects for each in (*_shipped(), *known)}
    effects: dict[str, tuple[str, ...]] = {}
    unknown: list[Unknown] = []
    for deb, control in packages:
        for name in SCRIPTS:
            script = control.get(name)
            if script is None:
                continue
            found = listed.get((deb.name, name, fingerprint(script, deb)))
            if found is None:
                found = _of_snippets(script)
            if found is None:
                unknown.append(Unknown(deb.name, name, fingerprint(script, deb)))
            else:
                effects[deb.name] = tuple(dict.fromkeys((*effects.get(deb.name, ()), *found)))
    if unknown:
        raise UsageError(
            "unknown-script",
            "Packages have maintainer scripts that envlock does not know, and it runs none.",
            expected="no script, debhelper's snippets alone, or one that is listed with the effects that replace it",
            found="; ".join(f"{each.script} of {each.package}, sha256 {each.sha256}" for each in unknown),
            hint="choose another package; or install it in a container when locking, where its scripts run: "
            '[env.NAME.image] run = ["apt-get update && apt-get install -y ..."] in place of os-packages; or read the '
            'script (dpkg-deb -e) and list it in a recipe in your images/ folder: [[scripts]] package = "...", '
            'script = "postinst", sha256 = "...", effects = []',
        )
    return effects


def fingerprint(script: bytes, deb: Deb) -> str:
    """Return the sha256 of a script in which its package's version and architecture are blanked out.

    So a script stays known when an update of its package, or another architecture, changes nothing else in it.
    """
    script = script.replace(deb.version.encode(), b"@version@")
    multiarch = _MULTIARCH.get(deb.architecture)
    if multiarch:
        script = script.replace(multiarch, b"@multiarch@").replace(f":{deb.architecture}".encode(), b":@architecture@")
    return hashlib.sha256(script).hexdigest()


def _of_snippets(script: bytes) -> tuple[str, ...] | None:
    """Return the effects of a script that holds nothing but debhelper's snippets, None for any other."""
    tools = [match["tool"].decode() for match in _SNIPPET.finditer(script)]
    rest = _SNIPPET.sub(b"", script)
    if not rest.startswith(b"#!") or not all(_INERT.fullmatch(line) for line in rest.splitlines()):
        return None
    if any(tool not in _DEBHELPER for tool in tools):
        return None
    return tuple(effect for tool in tools for effect in _DEBHELPER[tool])


@cache
def _shipped() -> tuple[KnownScript, ...]:
    text = (files("envlock") / "data" / "maintainer-scripts.toml").read_text(encoding="utf-8")
    return records.convert(tomllib.loads(text)["script"], tuple[KnownScript, ...])
