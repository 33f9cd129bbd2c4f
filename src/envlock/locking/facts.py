"""What the locked artifacts say of the hardware they need, read off the artifacts and never off a machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
from packaging.version import InvalidVersion, Version

from envlock.locking.accelerators import framework_of, library_of, minimum_driver, named_by, release_of
from envlock.locking.build_info import BuildInfo, read_build_info
from envlock.locking.glibc import minimum_glibc
from envlock.locking.opening import Opening
from envlock.locking.select import Selected
from envlock.model.gpu import common, in_order
from envlock.model.hardware import Facts
from envlock.model.lock import Lock
from envlock.model.platform import Platform

_CONNECTIONS = 4


class _Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact says one thing on one platform. A claim of a lower rank goes before all of a higher one."""

    fact: str
    value: str
    source: str
    platform: Platform
    rank: int


def facts_of(
    resolutions: Mapping[Platform, Sequence[Selected]],
    *,
    previous: Lock | None,
    opening: Opening,
) -> Facts:
    """Return the facts of what is locked. Those of `previous` stay where they come from the same wheels.

    CUDA, cuDNN, NCCL and ROCm are told by NVIDIA's and AMD's own wheels, else by name and version of a distribution
    (torch 2.1.0+cu118), else by what the framework was built for. A framework's wheel is read by ranges unless it is at
    hand. Where platforms differ, the newest release counts, and the source says on which platform.
    """
    glibc = minimum_glibc(resolutions)
    if previous is not None and previous.facts.sources and _evidence(resolutions) == _evidence_of(previous):
        facts = previous.facts
        sources = {key: source for key, source in facts.sources.items() if key != "minimum-glibc"}
    else:
        infos = _build_infos(resolutions, opening)
        facts, sources = _accelerators(resolutions, infos)
    if glibc is not None:
        sources["minimum-glibc"] = glibc[1]
    return msgspec.structs.replace(facts, minimum_glibc=glibc and glibc[0], sources=dict(sorted(sources.items())))


def _accelerators(
    resolutions: Mapping[Platform, Sequence[Selected]], infos: Mapping[str, BuildInfo]
) -> tuple[Facts, dict[str, str]]:
    claims = [
        claim
        for platform, rows in resolutions.items()
        for row in rows
        for claim in _claims(row, platform, infos.get(row.sha256))
    ]
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    for fact in ("cuda", "cudnn", "nccl", "rocm"):
        found = _agreed([claim for claim in claims if claim.fact == fact], list(resolutions))
        if found is not None:
            values[fact], sources[fact] = found
    targets, source = _targets(resolutions, infos)
    if targets:
        sources["gpu-targets"] = source
    driver = minimum_driver(values["cuda"]) if "cuda" in values else None
    if driver is not None:
        sources["minimum-driver"] = f"CUDA {values['cuda']} of {sources['cuda']}"
    facts = Facts(
        cuda=values.get("cuda"),
        cudnn=values.get("cudnn"),
        nccl=values.get("nccl"),
        rocm=values.get("rocm"),
        gpu_targets=targets,
        minimum_driver=driver,
    )
    return facts, sources


def _claims(row: Selected, platform: Platform, info: BuildInfo | None) -> Iterator[_Claim]:
    source = f"{row.package} {row.version}"

    def claim(fact: str, value: str | None, rank: int) -> Iterator[_Claim]:
        if value is not None:
            yield _Claim(fact=fact, value=value, source=source, platform=platform, rank=rank)

    library = library_of(row.package)
    if library is not None:
        yield from claim(library, release_of(row.version, "cuda") if library == "cuda" else row.version, 0)
    named = named_by(row.package, row.version)
    if named is not None:
        yield from claim(*named, 1)
    if info is not None:
        yield from claim("cuda", info.cuda, 2)
        yield from claim("cudnn", info.cudnn, 2)
        yield from claim("rocm", info.rocm, 2)


def _agreed(claims: Sequence[_Claim], platforms: Sequence[Platform]) -> tuple[str, str] | None:
    """Return the newest release among the best claims of each platform, and who claims it."""
    best = []
    for platform in platforms:
        own = [claim for claim in claims if claim.platform == platform]
        rank = min((claim.rank for claim in own), default=0)
        best += [claim for claim in own if claim.rank == rank]
    if not best:
        return None
    newest = max(best, key=lambda claim: _version(claim.value)).value
    chosen = sorted((claim.source, claim.platform) for claim in best if claim.value == newest)
    source = chosen[0][0]
    where = [platform for name, platform in chosen if name == source]
    return newest, source if len(where) == len(platforms) else f"{source} on {', '.join(map(str, where))}"


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


def _targets(
    resolutions: Mapping[Platform, Sequence[Selected]], infos: Mapping[str, BuildInfo]
) -> tuple[tuple[str, ...], str]:
    """Return where every framework of some platform runs, and the names of the frameworks."""
    everywhere: list[str] = []
    sources: set[str] = set()
    for rows in resolutions.values():
        said = [(row, infos[row.sha256].targets) for row in rows if row.sha256 in infos and infos[row.sha256].targets]
        if said:
            together = said[0][1]
            for _, targets in said[1:]:
                together = common(together, targets)
            everywhere += together
            sources |= {f"{row.package} {row.version}" for row, _ in said}
    return in_order(everywhere), ", ".join(sorted(sources))


# --- reading wheels --------------------------------------------------------------------------------------------------


def _build_infos(resolutions: Mapping[Platform, Sequence[Selected]], opening: Opening) -> dict[str, BuildInfo]:
    """Return what the wheels of frameworks say of their builds, by sha256."""
    rows = {row.sha256: row for platform, found in resolutions.items() for row in found if _is_read(row, platform)}
    if not rows:
        return {}
    with (
        opening.progress.task("Reading what frameworks were built for", len(rows)) as task,
        ThreadPoolExecutor(_CONNECTIONS) as pool,
    ):

        def read(row: Selected) -> tuple[str, BuildInfo]:
            framework = framework_of(row.package)
            assert framework is not None
            with opening.opened(row) as wheel:
                info = read_build_info(wheel, framework)
            task.advance()
            return row.sha256, info

        return dict(pool.map(read, rows.values()))


def _is_read(row: Selected, platform: Platform) -> bool:
    """Tell whether a wheel can say anything: there is neither CUDA nor ROCm on macOS, nor in a wheel named +cpu."""
    return (
        row.kind == "wheel"
        and platform.os != "macos"
        and framework_of(row.package) is not None
        and not row.version.endswith("+cpu")
    )


# --- what facts come from --------------------------------------------------------------------------------------------


def _matters(package: str, version: str) -> bool:
    known = framework_of(package) or library_of(package) or named_by(package, version)
    return known is not None


_Evidence = tuple[frozenset[Platform], frozenset[tuple[str, str, str]]]


def _evidence(resolutions: Mapping[Platform, Sequence[Selected]]) -> _Evidence:
    rows = (row for found in resolutions.values() for row in found if _matters(row.package, row.version))
    return frozenset(resolutions), frozenset((row.package, row.version, row.sha256) for row in rows)


def _evidence_of(lock: Lock) -> _Evidence:
    packages = (package for package in lock.packages if _matters(package.name, package.version))
    return frozenset(lock.platforms), frozenset(
        (package.name, package.version, wheel.sha256) for package in packages for wheel in package.wheels
    )
