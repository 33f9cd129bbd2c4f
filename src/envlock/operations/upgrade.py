"""What may move away from the old lock."""

from __future__ import annotations

import msgspec

from envlock.errors import UsageError
from envlock.model.lock import Lock


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """What `envlock lock` was asked to move; everything else stays where the old lock has it."""

    everything: bool = False
    packages: tuple[str, ...] = ()
    """PEP 508 names, each with a version or not: `numpy`, `numpy==1.26.4`."""
    cutoff: str | None = None
    """Instead of the manifest's as-of: `none`, `release` or RFC 3339. Beside `packages` it is theirs alone."""
    os: bool = False
    """The base's Debian packages, from the suites as they are now."""
    base: bool = False
    """The base whole: a tag of a registry is looked up again, a package base resolved anew."""
    rebuild: bool = False
    """Build the wheels of sdists again and compare them with the locked ones."""
    no_build: bool = False
    """Refuse what has no wheel."""

    @property
    def names(self) -> frozenset[str]:
        """The normalised names of `packages`; UsageError (`bad-requirement`) for what is none."""
        from packaging.requirements import InvalidRequirement, Requirement
        from packaging.utils import canonicalize_name

        try:
            return frozenset(str(canonicalize_name(Requirement(text).name)) for text in self.packages)
        except InvalidRequirement as error:
            raise UsageError(
                "bad-requirement",
                "A package to upgrade is not a name or name==version.",
                expected="such as numpy or numpy==1.26.4",
                found=str(error).partition("\n")[0],
            ) from None


def refuse_lost_pins(upgrade: Upgrade, before: Lock, now: Lock) -> None:
    """Raise UsageError (`pin-lost`) where versions moved that nobody asked to move.

    With the same inputs a pin stays for as long as an index offers it: one that moved was deleted, or is on another
    index than this machine uses. The newer version may be no better than what was locked on purpose.
    """
    asked = upgrade != Upgrade(rebuild=upgrade.rebuild)
    if asked or before.inputs != now.inputs:
        return
    versions = {(package.name, package.version) for package in now.packages}
    lost = [package for package in before.packages if (package.name, package.version) not in versions]
    if not lost:
        return
    there: dict[str, str] = {package.name: package.version for package in now.packages}
    names = sorted({package.name for package in lost})
    raise UsageError(
        "pin-lost",
        "What is locked is no longer on the index, and would move without being asked to.",
        where=f"env.{now.env}",
        expected=", ".join(f"{package.name} {package.version}" for package in lost),
        found=", ".join(f"{name} {there[name]}" if name in there else f"no {name}" for name in names),
        hint=f"Let it move: envlock lock {now.env} {' '.join(f'-P {name}' for name in names)}; or name an index that "
        "has it.",
    )
