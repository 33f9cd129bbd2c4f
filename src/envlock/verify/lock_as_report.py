"""What a lock says, as a report says what was seen: so that it can be held against one, thing by thing."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.formats.pylock import wheels_of
from envlock.model.lock import Lock
from envlock.model.observation import Interpreter, Variables
from envlock.model.platform import Platform
from envlock.model.report import Installed, Report

_NEVER = "1970-01-01T00:00:00Z"


def report_of_lock(lock: Lock, platform: Platform | None = None) -> Report:
    """Return a report of what a lock puts on a platform, its first one where that is not among them.

    Packages have the digests of their wheels. Nothing is said of machine, code and data: a lock holds none.
    """
    target = platform if platform in lock.platforms else lock.platforms[0]
    base = lock.base if target.sys_platform == "linux" else None
    return Report(
        envlock="",
        created=_NEVER,
        full=True,
        interpreter=Interpreter(
            implementation="cpython",
            version=base.python if base is not None else lock.python,
            system=target.sys_platform,
            machine=target.machine,
            libc=f"glibc {base.glibc}" if base is not None else "",
        ),
        distributions=tuple(_packages(lock, target)),
        variables=Variables(origin="run", values=lock.settings.variables),
    )


def _packages(lock: Lock, platform: Platform) -> Iterator[Installed]:
    for package, wheel in wheels_of(lock, platform):
        yield Installed(
            name=package.name,
            version=package.version,
            contents=(wheel.contents,),
            requires=package.dependencies,
        )
