"""What changes from one lock to another in the settings that programs run with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from envlock.model.change import Area, Change, change_of
from envlock.model.factors import factor_of
from envlock.model.finding import Impact
from envlock.model.influence import SETTINGS_RANK
from envlock.model.lock import Lock
from envlock.verify.known import fact_about_setting

THREADS = "Sums are taken in another order: matrix products, gradients and all training change in the last bits."


def settings_changes(old: Lock, new: Lock) -> Iterator[Change]:
    """Yield changes of the number of threads, and of environment variables."""
    packages = names_of(old, new)
    if old.settings.threads != new.settings.threads:
        one, other = (str(each.settings.threads or "as many as there are CPUs") for each in (old, new))
        why = fact_about_setting("threads", packages) or THREADS
        yield change_of(
            "settings", "threads", one, other, why, "results", SETTINGS_RANK, "changed", brought_by="settings.threads"
        )
    yield from variable_changes("settings", old.settings.env, new.settings.env, packages)


def names_of(*locks: Lock) -> frozenset[str]:
    """Return the packages of locks, by normalised name."""
    return frozenset(package.name for lock in locks for package in lock.packages)


def variable_changes(
    area: Area, old: Mapping[str, str], new: Mapping[str, str], packages: Collection[str]
) -> Iterator[Change]:
    """Yield what changes of environment variables; those of an image are set in its containers alone."""
    for name in sorted({*old, *new}):
        one, other = old.get(name, ""), new.get(name, "")
        if one != other:
            factor = factor_of(name)
            why = fact_about_setting(name, packages) or (factor.what if factor else "Programs may read it.")
            impact: Impact = factor.impact if factor else "compat"
            yield change_of(area, name, one, other, why, impact, SETTINGS_RANK, brought_by=f"{area}.env")
