"""Whatever the manifest says: the lock reads back as it was written, and no order of anything shows in its bytes."""

from __future__ import annotations

import copy
import datetime
import hashlib
import random
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from envlock.errors import UsageError
from envlock.formats.pylock import parse_lock, wheels_of, write_lock
from envlock.locking.select import assert_selects_back, select
from envlock.model.edges import Resolution
from envlock.model.lock import Lock
from envlock.model.manifest import Manifest
from envlock.model.manifest_parser import parse_manifest
from envlock.model.platform import Platform
from envlock.operations.edges import Edges
from envlock.operations.lock import lock_environment
from envlock.operations.upgrade import Upgrade
from tests.unit.edges import edges_with
from tests.unit.wheels import make_wheel

GLIBC = "2.31"
OLD, NEW = datetime.datetime(2024, 1, 10, tzinfo=datetime.UTC), datetime.datetime(2025, 1, 10, tzinfo=datetime.UTC)
VERSIONS = {"1.0": OLD, "2.0": NEW}
TAGS = {
    "linux/amd64": "cp311-cp311-manylinux_2_17_x86_64",
    "linux/arm64": "cp311-cp311-manylinux_2_28_aarch64",
    "macos/arm64": "cp311-cp311-macosx_11_0_arm64",
    "macos/amd64": "cp311-cp311-macosx_10_9_universal2",
    "windows/amd64": "cp311-cp311-win_amd64",
}
PROJECTS: dict[str, tuple[str, ...]] = {
    "framework": tuple(TAGS.values()),
    "kernels": (*TAGS.values(), "py3-none-any"),
    "fast": (TAGS["linux/amd64"], TAGS["macos/amd64"], "py3-none-any"),
    "cuda": (TAGS["linux/amd64"], TAGS["linux/arm64"]),
    "shim": ("py3-none-any",),
    "pure": ("py2.py3-none-any",),
}
"""Project to the tags that it has wheels for."""


def needs(project: str, platform: Platform) -> tuple[str, ...]:
    """Other packages on other platforms, and one at another version."""
    if project != "framework":
        return ()
    by_os = {"linux": ("cuda", "pure"), "macos": ("pure<2", "fast"), "windows": ("shim", "pure")}
    return by_os[platform.os]


class Index:
    """A resolver and the server of its files, whose answers come in an order that depends on the question's."""

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, bytes] = {}
        self.rows: dict[tuple[str, str], Mapping[str, Any]] = {}
        for project, tags in PROJECTS.items():
            for version, uploaded in VERSIONS.items():
                wheels = []
                for tag in tags:
                    path = make_wheel(folder, project, version, tag=tag)
                    url = f"https://example.com/{path.name}"
                    self.files[url] = raw = path.read_bytes()
                    hashes = {"sha256": hashlib.sha256(raw).hexdigest()}
                    row = {"name": path.name, "url": url, "size": len(raw), "hashes": hashes, "upload-time": uploaded}
                    wheels.append(row)
                self.rows[project, version] = {"name": project, "version": version, "wheels": wheels}

    def resolve(self, wanted: Resolution) -> list[Mapping[str, Any]]:
        """Take the newest release that each requirement, constraint and cutoff allows."""
        queue = [Requirement(text) for text in wanted.requirements]
        asked: dict[str, list[Requirement]] = {}
        while queue:
            requirement = queue.pop(0)
            new = requirement.name not in asked
            asked.setdefault(requirement.name, []).append(requirement)
            if new and not wanted.no_deps:
                queue += [Requirement(text) for text in needs(requirement.name, wanted.platform)]
        limits = [Requirement(text) for text in wanted.constraints]
        packages = []
        for name, requirements in asked.items():
            cutoff = wanted.package_cutoffs.get(name, wanted.cutoff or "none")
            allowed = [
                version
                for version, uploaded in VERSIONS.items()
                if all(version in one.specifier for one in [*requirements, *limits] if one.name == name)
                and (cutoff == "none" or uploaded < datetime.datetime.fromisoformat(cutoff))
            ]
            packages.append(self.rows[name, max(allowed)])
        return packages

    def get_range(self, url: str, start: int, end: int) -> bytes:
        """Serve a part of a wheel."""
        return self.files[url][start:] if start < 0 else self.files[url][start:end]


class NoArtifacts:
    """A cache without anything in it."""

    def get(self, sha256: str, name: str) -> None:
        """Have nothing."""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """One index for all examples."""
    return Index(tmp_path_factory.mktemp("index"))


def edges_of(index: Index) -> Edges:
    return edges_with(resolver=index, downloads=index, artifacts=NoArtifacts())


def locked(document: Mapping[str, Any], index: Index) -> Lock:
    manifest = manifest_of(document)
    return lock_environment(manifest, "it", previous=None, upgrade=Upgrade(), edges=edges_of(index)).lock


def manifest_of(document: Mapping[str, Any]) -> Manifest:
    """Parse a document as the text of an envlock.toml."""
    return parse_manifest(Path("envlock.toml"), tomllib.loads(tomlkit.dumps(document)))


def some(*items: str, least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(items), unique=True, min_size=least)


def optional(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={key.replace("_", "-"): value for key, value in strategies.items()})


VALUES = st.text(st.characters(exclude_categories=["C"]), max_size=8)
CLASSES = {
    "big": {"cpu-level": ">=x86-64-v3", "memory-gib": ">=64", "cpu-features": ["avx512f", "avx2"]},
    "gpu": {"accelerator": {"kind": "nvidia", "models": ["A100", "H100"], "driver": ">=535", "count": ">=1"}},
    "laptop": {"accelerator": {"kind": "none"}},
}
ENVIRONMENTS = st.builds(
    lambda required, more: required | more,
    st.fixed_dictionaries(
        {
            "python": st.just("3.11"),
            "frameworks": st.sampled_from([{"framework": "==1.0"}, {"framework": ">=1.0"}, {"framework": ""}]),
            "platforms": some(*TAGS, least=1),
        }
    ),
    optional(
        dependencies=some("kernels", "kernels>=1.0", "fast", "shim", "pure"),
        constraints=some("kernels<2", "fast<2"),
        as_of=st.sampled_from(["none", "2024-06-01", "2026-01-01", "release", datetime.date(2024, 6, 1)]),
        as_of_packages=st.dictionaries(st.sampled_from(["kernels", "fast"]), st.sampled_from(["none", "2024-02-03"])),
        hardware=some("big", "laptop"),
        policy=st.sampled_from(["bitwise", "numeric", "compatible"]),
        urls=st.sampled_from(["record", "omit"]),
        settings=optional(
            threads=st.integers(1, 64),
            env=st.dictionaries(st.sampled_from(["PYTHONHASHSEED", "TF_DETERMINISTIC_OPS", "A", "B"]), VALUES),
        ),
    ),
)
MANIFESTS = ENVIRONMENTS.map(lambda table: {"env": {"it": table}, "hardware": CLASSES})


@settings(max_examples=60, deadline=None)
@given(document=MANIFESTS)
def test_a_lock_reads_back_as_it_was_written(document: dict[str, Any], index: Index) -> None:
    """Manifest → lock → bytes → lock → bytes: both pairs are equal."""
    lock = locked(document, index)
    raw = write_lock(lock)
    read = parse_lock(raw, "pylock.it.toml").lock
    assert read == lock
    assert write_lock(read) == raw


@settings(max_examples=60, deadline=None)
@given(document=MANIFESTS, seed=st.integers(0, 2**32))
def test_no_order_shows_in_a_lock(document: dict[str, Any], seed: int, index: Index) -> None:
    """Keys of every table, platforms, classes, requirements: any order of them gives the same bytes."""
    shuffled = _shuffled(copy.deepcopy(document), random.Random(seed))
    assert write_lock(locked(shuffled, index)) == write_lock(locked(document, index))


@settings(max_examples=60, deadline=None)
@given(document=MANIFESTS)
def test_merged_platforms_select_back(document: dict[str, Any], index: Index) -> None:
    """envlock and a PEP 751 installer both take from the merged lock what was resolved for a platform alone."""
    lock = locked(document, index)
    environment = manifest_of(document).environment("it")
    resolutions = {}
    for platform in environment.targets:
        wanted = Resolution(
            requirements=environment.requirements,
            constraints=environment.constraints,
            python="3.11",
            platform=platform,
            glibc=GLIBC,
            cutoff=lock.as_of,
            package_cutoffs=environment.package_cutoffs,
        )
        rows = select(index.resolve(wanted), python="3.11", platform=platform, glibc=GLIBC)
        resolutions[platform] = rows
        installed = [(package.name, package.version, wheel.sha256) for package, wheel in wheels_of(lock, platform)]
        assert installed == [(row.package, row.version, row.sha256) for row in rows]
    assert_selects_back(lock.packages, resolutions, python="3.11", glibc=GLIBC)


def test_a_merge_that_loses_a_marker_is_found(index: Index) -> None:
    """The package would be installed where it was not resolved."""
    document = {
        "env": {
            "it": {"python": "3.11", "frameworks": {"framework": ""}, "platforms": ["linux/amd64", "windows/amd64"]}
        }
    }
    lock = locked(document, index)
    resolutions = {
        platform: select(
            index.resolve(
                Resolution(requirements=("framework",), python="3.11", platform=platform, glibc=GLIBC, cutoff=None)
            ),
            python="3.11",
            platform=platform,
            glibc=GLIBC,
        )
        for platform in lock.platforms
    }
    assert_selects_back(lock.packages, resolutions, python="3.11", glibc=GLIBC)
    spoiled = [msgspec.structs.replace(package, marker=None) for package in lock.packages]
    with pytest.raises(UsageError, match="platforms-disagree") as caught:
        assert_selects_back(spoiled, resolutions, python="3.11", glibc=GLIBC)
    assert "shim 2.0" in caught.value.found or "cuda" in caught.value.found


def _shuffled(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        dice.shuffle(keys)
        return {key: _shuffled(value[key], dice) for key in keys}
    if isinstance(value, list):
        dice.shuffle(value)
    return value
