"""`envlock lock --check --strict`: can every artifact of a lock still be had, by this machine, today?"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from envlock.errors import EnvlockError, UsageError
from envlock.formats.pylock import wheels_of
from envlock.model.lock import Lock
from envlock.model.platform import Platform
from envlock.model.reference import Reference
from envlock.operations.airgap import debs_of
from envlock.operations.edges import Edges
from envlock.operations.fetch import deb_name, locate

_CONNECTIONS = 12
_Question = tuple[str, Callable[[], object]]
"""What an artifact is called, and what raises EnvlockError where it cannot be had."""


def unavailable(lock: Lock, edges: Edges) -> list[str]:
    """Return a line for each artifact that neither this machine holds nor any of its indexes and archives has.

    Nothing is downloaded but the first byte of a file. Raises UsageError where an index cannot be asked at all.
    """
    questions = [*_debs(lock, edges), *_base_images(lock, edges)]
    for platform in lock.platforms:
        questions += _wheels(lock, platform, edges)
    with edges.progress.task("Asking for every locked artifact", len(questions)) as task:

        def ask(question: _Question) -> str | None:
            what, attempt = question
            try:
                attempt()
            except EnvlockError as error:
                return f"{what}: {error.what}"
            finally:
                task.advance()
            return None

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            return sorted({answer for answer in pool.map(ask, questions) if answer is not None})


def _wheels(lock: Lock, platform: Platform, edges: Edges) -> Iterator[_Question]:
    """Yield a question for each file of one platform; those that the lock has no URL for are located at once."""
    rows = [row for row in wheels_of(lock, platform) if edges.artifacts.get(row[1].sha256, row[1].name) is None]
    plain = [(package, wheel) for package, wheel in rows if not package.built(wheel)]
    direct = {wheel.sha256: wheel.url for _, wheel in plain if wheel.url and edges.indexes.may_use(wheel.url)}
    pins = [(package.name, package.version, wheel.sha256) for package, wheel in plain if wheel.sha256 not in direct]
    urls = direct | locate(pins, lock, platform, edges.resolver, cutoff=None)
    built = [(package, package.build.sdist) for package, wheel in rows if package.build and package.built(wheel)]
    pins = [(package.name, package.version, sdist.sha256) for package, sdist in built]
    urls |= locate(pins, lock, platform, edges.resolver, cutoff=lock.as_of)
    names = {wheel.sha256: wheel.name for _, wheel in plain} | {sdist.sha256: sdist.name for _, sdist in built}
    for sha256, name in names.items():
        yield name, partial(_first_byte, urls[sha256], edges)


def _first_byte(url: str | None, edges: Edges) -> None:
    if url is None:
        raise UsageError("gone", "this machine's indexes have no file with its sha256")
    with contextlib.suppress(LookupError):  # a server that answers, but serves no ranges
        edges.downloads.get_range(url, 0, 1)


def _debs(lock: Lock, edges: Edges) -> Iterator[_Question]:
    if lock.base is None:
        return
    archives = edges.archives.at(lock.base.suites)
    debs = {deb.sha256: deb for platform in lock.platforms for deb in debs_of(lock, platform)}
    for deb in debs.values():
        if edges.artifacts.get(deb.sha256, deb_name(deb)) is None:
            yield f"{deb.name} {deb.version}", partial(archives.ask, deb)


def _base_images(lock: Lock, edges: Edges) -> Iterator[_Question]:
    if lock.base is None or lock.base.image is None:
        return
    reference = Reference.parse(lock.base.image.reference)
    registry = edges.registry()
    for each in lock.base.image.manifests:
        what = f"{lock.base.image.reference} for {each.platform}"
        yield what, partial(registry.digest, reference.at(each.digest))
