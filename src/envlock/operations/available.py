"""`envlock lock --check --strict`: can every artifact of a lock still be had, by this machine, today?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from envlock.errors import EnvlockError, UsageError
from envlock.formats.pylock import wheels_of
from envlock.model.artifact import Wheel
from envlock.model.lock import Lock, Package
from envlock.model.platform import Platform
from envlock.model.reference import Reference
from envlock.operations.edges import Edges
from envlock.operations.fetch import locate

_CONNECTIONS = 12
_Question = Callable[[], str | None]
"""Asks for one artifact: None where it can be had, else what is missing and why."""


def unavailable(lock: Lock, edges: Edges) -> list[str]:
    """Return a line for each artifact that neither this machine holds nor any of its indexes and archives has.

    Nothing is downloaded but the first byte of a file. Raises UsageError where an index cannot be asked at all.
    """
    questions: dict[str, _Question] = {}
    for platform in lock.platforms:
        questions |= _wheels(lock, platform, edges)
    with edges.progress.task("Asking for every locked artifact", len(questions)) as task:

        def ask(question: _Question) -> str | None:
            answer = question()
            task.advance()
            return answer

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            answers = list(pool.map(ask, questions.values()))
    missing = {answer for answer in answers if answer is not None}
    return sorted(missing | set(_debs(lock, edges)) | set(_base_images(lock, edges)))


def _wheels(lock: Lock, platform: Platform, edges: Edges) -> dict[str, _Question]:
    """Return a question for each file of one platform; those that the lock has no URL for are located at once."""
    rows = [row for row in wheels_of(lock, platform) if edges.artifacts.get(row[1].sha256, row[1].name) is None]
    built = [(package, wheel) for package, wheel in rows if package.build is not None]
    plain = [(package, wheel) for package, wheel in rows if package.build is None]
    direct = [wheel for _, wheel in plain if wheel.url is not None and edges.indexes.may_use(wheel.url)]
    elsewhere = [(package, wheel) for package, wheel in plain if wheel not in direct]
    pins = [(package.name, package.version, wheel.sha256) for package, wheel in elsewhere]
    urls = locate(pins, lock, platform, edges.resolver, cutoff=None)
    sources = [(package.name, package.version, package.build.sdist.sha256) for package, _ in built if package.build]
    urls |= locate(sources, lock, platform, edges.resolver, cutoff=lock.as_of)
    questions: dict[str, _Question] = {wheel.sha256: _asked(wheel.name, wheel.url, edges) for wheel in direct}
    questions |= {wheel.sha256: _asked(wheel.name, urls[wheel.sha256], edges) for _, wheel in elsewhere}
    questions |= {sha256: _asked(name, urls[sha256], edges) for name, sha256 in _sdists(built)}
    return questions


def _sdists(built: Iterable[tuple[Package, Wheel]]) -> Iterable[tuple[str, str]]:
    return [(package.build.sdist.name, package.build.sdist.sha256) for package, _ in built if package.build]


def _asked(name: str, url: str | None, edges: Edges) -> _Question:
    def ask() -> str | None:
        if url is None:
            return f"{name}: this machine's indexes have no file with its sha256"
        try:
            edges.downloads.get_range(url, 0, 1)
        except LookupError:
            return None  # a server that answers, but serves no ranges
        except UsageError as error:
            return f"{name}: {error.what}"
        return None

    return ask


def _debs(lock: Lock, edges: Edges) -> Iterable[str]:
    if lock.base is None:
        return
    archives = edges.archives.at(lock.base.suites)
    debs = {deb.sha256: deb for platform in lock.platforms for deb in lock.base.build_root_of(platform)}
    missing = [deb for deb in debs.values() if edges.artifacts.get(deb.sha256, deb.path.rpartition("/")[2]) is None]

    def ask(index: int) -> str | None:
        try:
            archives.ask(missing[index])
        except EnvlockError as error:
            return f"{missing[index].name} {missing[index].version}: {error.what}"
        return None

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        yield from (answer for answer in pool.map(ask, range(len(missing))) if answer is not None)


def _base_images(lock: Lock, edges: Edges) -> Iterable[str]:
    if lock.base is None or lock.base.image is None:
        return
    reference = Reference.parse(lock.base.image.reference)
    for each in lock.base.image.manifests:
        try:
            edges.registry().digest(reference.at(each.digest))
        except EnvlockError as error:
            yield f"{lock.base.image.reference} for {each.platform}: {error.what}"
