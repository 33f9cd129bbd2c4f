"""What may move away from the old lock."""

from __future__ import annotations

import msgspec


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

        from envlock.errors import UsageError

        try:
            return frozenset(str(canonicalize_name(Requirement(text).name)) for text in self.packages)
        except InvalidRequirement as error:
            raise UsageError(
                "bad-requirement",
                "A package to upgrade is not a name or name==version.",
                expected="such as numpy or numpy==1.26.4",
                found=str(error).partition("\n")[0],
            ) from None
