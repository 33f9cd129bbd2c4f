"""What a manifest's values must be beyond their types."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

from envlock.errors import UsageError, did_you_mean
from envlock.model.image_rules import check_image, check_variables, check_whole_image
from envlock.model.index import Index
from envlock.model.manifest import Environment, ReviewTable, cutoff_of
from envlock.model.names import ENVIRONMENT
from envlock.model.terms import VerifyTable

LOCKS = ("uv.lock", "poetry.lock")
_FOREIGN = (".toml", ".lock", ".yml", ".yaml", ".cfg", ".py", ".json")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_PROBE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def check_indexes(indexes: Sequence[Index], where: str) -> None:
    """Refuse [[index]] tables that contradict themselves or each other."""
    names = [index.name for index in indexes]
    for number, index in enumerate(indexes):
        at = f"{where}: index {index.name!r}"
        if not re.fullmatch(ENVIRONMENT, index.name) or index.name == "default":
            raise UsageError(
                "bad-manifest",
                f"{index.name!r} cannot name an index.",
                where=where,
                expected="lower-case letters, digits, - and _, and not `default`",
            )
        if index.name in names[:number]:
            raise UsageError("bad-manifest", f"Two indexes are called {index.name!r}.", where=where)
        refuse_credentials(index.url, "The url of an index", at)
        if index.format == "simple" and urlsplit(index.url).scheme not in ("http", "https", "file"):
            raise UsageError(
                "bad-manifest",
                "The url of an index is not one.",
                where=f"{at}, url",
                expected="https://… of a Simple API (PEP 503)",
                found=index.url,
                hint='A folder or a page of wheels is an index with format = "flat".',
            )
        _check_mirror(index, names, at)
        if index.explicit and not index.packages:
            raise UsageError(
                "bad-manifest",
                "An explicit index is asked for its packages alone, and names none.",
                where=at,
                expected='packages = ["…"]',
            )
        if index.as_of is not None:
            _cutoff(index.as_of, f"{at}, as-of", single=True)
    if sum(index.default for index in indexes) > 1:
        raise UsageError("bad-manifest", "Two indexes are the default one.", where=where, hint="Keep one.")


def _check_mirror(index: Index, names: Sequence[str], where: str) -> None:
    mirrored = index.mirror_of
    if mirrored is None:
        return
    refuse_credentials(mirrored, "mirror-of", where)
    others = ["default", *(name for name in names if name != index.name)]
    if mirrored not in others and urlsplit(mirrored).scheme not in ("http", "https"):
        raise UsageError(
            "bad-manifest",
            "mirror-of names no other index.",
            where=where,
            expected="a URL, or one of: " + ", ".join(others),
            found=mirrored,
            hint=did_you_mean(mirrored, others),
        )


def refuse_credentials(url: str, what: str, where: str) -> None:
    """Refuse a URL that holds a user name or password; UsageError (`credentials-in-manifest`) does not repeat it."""
    try:
        urlsplit(url).port  # noqa: B018 - reading it judges it
    except ValueError:  # its message may hold a piece of a password
        raise UsageError("bad-manifest", f"{what} is not one.", where=where, expected="https://HOST[:PORT]/…") from None
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise UsageError(
            "credentials-in-manifest",
            f"{what} holds a user name or password, which everybody who has the manifest would see.",
            where=where,
            hint="Take it out, and give credentials in netrc, the keyring, or UV_INDEX_<NAME>_USERNAME and _PASSWORD.",
        )


def check_parts(environment: Environment, classes: Collection[str], where: str) -> None:
    """Refuse values of one table that are wrong whatever else is merged with it; `where` names it."""
    environment.targets  # noqa: B018 - raises for a platform that cannot be locked
    _check_requirements(environment, where)
    _cutoff(environment.as_of, f"{where}.as-of")
    for name, text in environment.as_of_packages.items():
        _cutoff(text, f"{where}.as-of-packages.{name}", single=True)
    for name in environment.from_:
        _check_source(name, f"{where}.from")
    _known(environment.hardware, classes, f"{where}.hardware")
    check_variables(environment.settings.env, f"{where}.settings.env")
    if environment.image is not None:
        check_image(environment.image, f"{where}.image")
    _check_waivers(environment.verify, f"{where}.verify.waivers")
    for name, target in environment.probes.items():
        if not _PROBE.fullmatch(target):
            raise UsageError(
                "bad-manifest",
                "A probe is not a function of a module.",
                where=f"{where}.probes.{name}",
                expected="module:function",
                found=target,
            )


def _check_waivers(table: VerifyTable, where: str) -> None:
    """Refuse waivers without a reason or a day; that rules exist is asked where they are known."""
    for number, waiver in enumerate(table.waivers):
        at = f"{where}[{number}]"
        if not waiver.reason.strip():
            raise UsageError(
                "bad-manifest", "A waiver has no reason.", where=f"{at}.reason", expected="why it is accepted, in words"
            )
        if not _DAY.fullmatch(waiver.until) or not _is_day(waiver.until):
            raise UsageError(
                "bad-manifest",
                "A waiver ends on no day.",
                where=f"{at}.until",
                expected='the last day that it holds, such as "2027-03-31"',
                found=repr(waiver.until),
            )


def check_review(table: ReviewTable, where: str) -> None:
    """Refuse labels for what nothing is, and labels that are none; `where` names the table."""
    if not table.labels:
        return
    from envlock.model.review import MATTERS

    for matter, label in table.labels.items():
        if matter not in MATTERS:
            raise UsageError(
                "bad-manifest",
                f"No change is called {matter!r}.",
                where=where,
                expected="one of: " + ", ".join(MATTERS),
                found=matter,
                hint=did_you_mean(matter, MATTERS),
            )
        if not label.strip() or not label.isprintable():
            raise UsageError(
                "bad-manifest",
                "A label is no name.",
                where=f"{where}.{matter}",
                expected='the label that such a change must have, such as "framework-change"',
                found=repr(label),
            )


def _is_day(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _check_requirements(environment: Environment, where: str) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    for name, specifier in environment.frameworks.items():
        try:
            SpecifierSet(specifier)
        except InvalidSpecifier:
            raise UsageError(
                "bad-requirement",
                f"{specifier!r} is no version specifier (PEP 440).",
                where=f"{where}.frameworks.{name}",
                expected=f'such as "=={specifier}"' if specifier[:1].isdigit() else 'such as "==2.5.0" or ">=2,<3"',
                found=specifier,
            ) from None
    for key in ("dependencies", "constraints", "overrides"):
        for text in getattr(environment, key):
            _check_requirement(text, where if key == "dependencies" else f"{where}.{key}")


def _check_requirement(text: str, where: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        url = Requirement(text).url
    except InvalidRequirement as error:
        raise UsageError(
            "bad-requirement",
            f"{text!r} is not a PEP 508 requirement.",
            where=where,
            found=str(error).partition("\n")[0],
        ) from None
    refuse_credentials(url or "", "A requirement", where)


def _cutoff(text: str, where: str, *, single: bool = False) -> None:
    """Refuse what is no cutoff; `single` projects and indexes have no release of their own to go by."""
    try:
        cutoff = cutoff_of(text)
    except UsageError as error:
        raise UsageError(error.reference, error.what, where=where, expected=error.expected, found=error.found) from None
    if single and cutoff == "release":
        raise UsageError(
            "bad-as-of", "This cutoff is not a date.", where=where, expected='a date or "none"', found=text
        )


def _check_source(name: str, where: str) -> None:
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute():
        raise UsageError(
            "bad-manifest",
            "from is relative to the manifest: an absolute path would be another one on every machine.",
            where=where,
            found=name,
        )
    last = PurePosixPath(name).name
    if last not in ("pyproject.toml", *LOCKS) and last.endswith(_FOREIGN):
        raise UsageError(
            "bad-manifest",
            f"Requirements cannot be read from {last!r}.",
            where=where,
            expected="a requirements file, pyproject.toml, uv.lock or poetry.lock",
            found=name,
            hint="Of an installed environment: envlock lock --from-venv FOLDER",
        )


def _known(names: Iterable[str], classes: Collection[str], where: str) -> None:
    for name in names:
        if name not in classes:
            raise UsageError(
                "unknown-hardware",
                f"No hardware class is called {name!r}.",
                where=where,
                expected="one of: " + ", ".join(sorted(classes)) if classes else f"a table [hardware.{name}]",
                found=name,
                hint=did_you_mean(name, classes),
            )


def check_environment(name: str, environment: Environment, where: str) -> None:
    """Refuse an environment that cannot be locked although each of its values is well formed."""
    if not re.fullmatch(r"3\.\d{1,2}", environment.python):
        raise UsageError(
            "bad-manifest",
            "python is not a feature version." if environment.python else f"Environment {name!r} has no python.",
            where=f"{where}.python",
            expected='such as "3.9"; the base fixes the patch release',
            found=environment.python,
        )
    if not environment.requirements and not environment.from_:
        raise UsageError(
            "bad-manifest",
            f"Environment {name!r} asks for nothing.",
            where=where,
            expected="from, frameworks or dependencies",
        )
    for key in ("groups", "extras"):
        if getattr(environment, key) and not _has_groups(environment.from_):
            raise UsageError(
                "bad-manifest",
                f"{key} are those of a pyproject.toml.",
                where=where,
                expected='from = "pyproject.toml" (or a uv.lock, a poetry.lock)',
            )
    if environment.image is not None:
        check_whole_image(environment.image, environment.settings, where)


def _has_groups(sources: Sequence[str]) -> bool:
    return any(PurePosixPath(name).name in ("pyproject.toml", *LOCKS) for name in sources)
