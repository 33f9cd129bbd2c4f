"""Cutoffs: what decides them, what moves them, what a lock says of them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import pytest

from envlock.errors import UsageError
from envlock.locking.as_of import newer_than_framework, release_cutoff, settled, undated
from envlock.locking.select import Selected
from envlock.model.as_of import Cutoffs, Newer
from envlock.model.edges import Resolution
from envlock.model.lock import Lock, Package
from envlock.model.manifest import Environment
from envlock.model.platform import Platform
from envlock.operations.cutoff import cutoffs_for
from envlock.operations.unsatisfiable import explained
from envlock.operations.upgrade import Upgrade
from envlock.report.newer import newer_text, undated_text
from tests.unit.edges import edges_with

AMD64, ARM64, MAC = (Platform.parse(text) for text in ("linux/amd64", "linux/arm64", "macos/amd64"))
UPLOADS = {("torch", "2.0"): "2023-03-15T10:00:00Z", ("torch", "2.1"): "2023-10-04T10:00:00Z"}
INPUTS = {"as-of": "release", "frameworks": "torch", "python": "3.11", "platforms": "linux/amd64"}


def row(package: str, version: str, uploaded: str | None = "2023-01-01T00:00:00Z") -> Selected:
    return Selected(
        package=package,
        version=version,
        kind="wheel",
        name=f"{package}-{version}-py3-none-any.whl",
        url=None,
        path=None,
        size=1,
        sha256="a" * 64,
        upload_time=uploaded,
    )


def lock(*packages: tuple[str, str], as_of: str | None = "2023-03-16T10:00:00Z", **more: Any) -> Lock:
    return Lock(
        env="it",
        python="3.11",
        platforms=(AMD64,),
        packages=tuple(Package(name=name, version=version, wheels=()) for name, version in packages),
        frameworks=(),
        as_of=as_of,
        **{"inputs": INPUTS, **more},
    )


class Torch:
    """An index of torch: two versions, the newer one without a wheel for macOS on Intel."""

    def __init__(self) -> None:
        self.asked: list[Resolution] = []

    def resolve(self, wanted: Resolution) -> list[Mapping[str, Any]]:
        """Serve the newest version that fits."""
        from packaging.requirements import Requirement

        self.asked.append(wanted)
        requirement = Requirement(wanted.requirements[0])
        for (name, version), uploaded in sorted(UPLOADS.items(), reverse=True):
            if version in requirement.specifier and not (wanted.platform == MAC and version == "2.1"):
                tag = {AMD64: "manylinux_2_17_x86_64", MAC: "macosx_11_0_x86_64"}.get(wanted.platform)
                if tag is not None:
                    url = f"https://example.com/{name}-{version}-cp311-cp311-{tag}.whl"
                    moment = datetime.datetime.fromisoformat(uploaded)
                    wheel = {"url": url, "hashes": {"sha256": "a" * 64}, "upload-time": moment}
                    return [{"name": name, "version": version, "wheels": [wheel]}]
        raise UsageError("unsatisfiable", "It cannot be.")


def environment(**more: Any) -> Environment:
    return Environment(**{"python": "3.11", "frameworks": {"torch": "==2.0"}, "as_of": "release", **more})


def cutoffs(
    asked: Environment,
    kept: Lock | None = None,
    *,
    resolve: Any = None,
    inputs: dict[str, str] = INPUTS,
    **upgrade: Any,
) -> Cutoffs:
    def refuse(_: Cutoffs) -> Any:
        raise AssertionError("everything is resolved for ranges alone")

    return cutoffs_for(asked, kept, inputs, Upgrade(**upgrade), "2.31", resolve or refuse, edges_with(resolver=Torch()))


def test_release_is_the_latest_upload_over_frameworks_and_platforms_and_a_day() -> None:
    """torch 2.0.0 for arm64 came two days after the one for amd64."""
    rows = [row("torch", "2.0.0", "2023-03-15T20:31:57Z"), row("torch", "2.0.0", "2023-03-17T01:02:03Z")]
    assert release_cutoff(rows) == "2023-03-18T01:02:03Z"


def test_an_index_without_upload_times_asks_for_a_date() -> None:
    """And says how such an index is exempted."""
    with pytest.raises(UsageError, match="no-upload-time") as caught:
        release_cutoff([row("torch", "2.0", None)])
    assert "Give a date" in caught.value.hint
    assert 'as-of = "none" in the [[index]] table' in caught.value.hint
    assert caught.value.exit_code == 2


def test_exact_frameworks_are_looked_up_alone() -> None:
    """No other package is resolved for a date."""
    assert cutoffs(environment()) == Cutoffs(moment="2023-03-16T10:00:00Z")


def test_a_range_takes_the_release_that_fits_everything() -> None:
    """Even where, as of that day, an older one is what comes out."""
    asked: list[str | None] = []

    def resolve(given: Cutoffs) -> dict[Platform, list[Selected]]:
        asked.append(given.moment)
        version = "2.1" if given.moment is None else "2.0"
        return {AMD64: [row("torch", version, UPLOADS["torch", version]), row("numpy", "1.24")]}

    found = cutoffs(environment(frameworks={"torch": ">=2.0,<2.2"}), resolve=resolve)
    assert found.moment == "2023-03-16T10:00:00Z"
    assert asked == [None, "2023-10-05T10:00:00Z", "2023-03-16T10:00:00Z"]


def test_known_frameworks_count_where_none_is_named() -> None:
    """As with a plain requirements file; without any, a date is asked for."""
    found = cutoffs(
        environment(frameworks={}, dependencies=("torch",)),
        resolve=lambda _: {AMD64: [row("torch", "2.1", UPLOADS["torch", "2.1"])]},
    )
    assert found.moment == "2023-10-05T10:00:00Z"
    with pytest.raises(UsageError, match="no-framework"):
        cutoffs(environment(frameworks={}, dependencies=("six",)), resolve=lambda _: {AMD64: [row("six", "1.0")]})


def test_a_cutoff_stays_while_what_decides_it_stays() -> None:
    """A locked framework that still fits keeps its date, whatever else is added; a new as-of or framework does not."""
    kept = lock(("torch", "2.0"), as_of="2024-01-01T00:00:00Z")
    grown = environment(frameworks={"torch": ">=2.0"}, dependencies=("numpy",))
    assert cutoffs(grown, kept).moment == "2024-01-01T00:00:00Z"
    assert cutoffs(environment(), None).moment == "2023-03-16T10:00:00Z"
    assert cutoffs(environment(frameworks={"torch": "==2.1"}), kept).moment == "2023-10-05T10:00:00Z"
    assert cutoffs(environment(), kept, inputs=INPUTS | {"platforms": "linux/arm64"}).moment == "2023-03-16T10:00:00Z"
    assert cutoffs(environment(as_of="none"), kept, inputs=INPUTS | {"as-of": "none"}).moment is None


def test_as_of_of_the_command_line_stays_in_the_lock() -> None:
    """Until -U takes the manifest's again."""
    inputs = INPUTS | {"as-of": "2023-01-01T00:00:00Z"}
    dated = environment(as_of="2023-01-01")
    given = cutoffs(dated, None, inputs=inputs, cutoff="2024-05-05T00:00:00Z")
    assert given.moment == "2024-05-05T00:00:00Z"
    kept = lock(("torch", "2.0"), as_of=given.moment, inputs=inputs)
    assert cutoffs(dated, kept, inputs=inputs).moment == "2024-05-05T00:00:00Z"
    assert cutoffs(dated, None, inputs=inputs).moment == "2023-01-01T00:00:00Z"


def test_one_upgraded_package_gets_a_cutoff_of_its_own() -> None:
    """Open at first, or the date beside it; what others were given before stays."""
    kept = lock(("torch", "2.0"), as_of_packages={"scipy": "2024-02-02T00:00:00Z"})
    found = cutoffs(environment(), kept, packages=("NumPy==2.0",))
    assert found == Cutoffs(moment=kept.as_of, packages={"numpy": "none", "scipy": "2024-02-02T00:00:00Z"})
    found = cutoffs(environment(), kept, packages=("numpy",), cutoff="2024-05-05T00:00:00Z")
    assert (found.moment, found.packages["numpy"]) == (kept.as_of, "2024-05-05T00:00:00Z")
    assert cutoffs(environment(), kept, cutoff="2024-05-05T00:00:00Z").packages == {}
    free = lock(("torch", "2.0"), as_of=None, inputs=INPUTS | {"as-of": "none"})
    assert cutoffs(environment(as_of="none"), free, inputs=free.inputs, packages=("numpy",)) == Cutoffs(moment=None)
    with pytest.raises(UsageError, match="bad-as-of"):
        cutoffs(environment(), kept, packages=("numpy",), cutoff="release")
    with pytest.raises(UsageError, match="bad-requirement"):
        cutoffs(environment(), kept, packages=("numpy=2",))


def test_the_manifests_own_cutoffs_hold_against_an_upgrade() -> None:
    """They are what the user wrote down; a date beside -P is stronger."""
    asked = environment(as_of_packages={"NumPy": "2023-02-01"})
    assert cutoffs(asked, None, packages=("numpy",)).packages == {"numpy": "2023-02-01T00:00:00Z"}
    dated = cutoffs(asked, None, packages=("numpy",), cutoff="2023-06-06T00:00:00Z")
    assert dated.packages == {"numpy": "2023-06-06T00:00:00Z"}


def test_a_lock_says_when_what_was_opened_ended() -> None:
    """Right after the upload that was taken; not at all where that is no later than the cutoff of all."""
    resolutions = {
        AMD64: [row("numpy", "2.0", "2024-06-16T10:00:00Z"), row("six", "1.16", "2021-05-05T00:00:00Z")],
        ARM64: [row("numpy", "2.0", "2024-06-16T12:00:00Z"), row("odd", "1", None)],
    }
    given = Cutoffs(
        moment="2023-03-16T10:00:00Z",
        packages={"gone": "none", "mine": "none", "numpy": "none", "odd": "none", "six": "none"},
    )
    assert settled(given, resolutions, {"mine"}) == Cutoffs(
        moment=given.moment, packages={"mine": "none", "numpy": "2024-06-16T12:00:01Z", "odd": "none"}
    )


def test_dependencies_of_another_age_are_told() -> None:
    """Over a year after the newest framework, the newest first."""
    resolutions = {
        AMD64: [
            row("tensorflow", "2.5.0", "2021-05-13T00:00:00Z"),
            row("protobuf", "6.33", "2025-11-13T00:00:00Z"),
            row("keras", "2.15", "2023-11-07T00:00:00Z"),
            row("numpy", "1.19.5", "2021-01-05T00:00:00Z"),
            row("grpcio", "1.38", "2022-05-13T00:00:00Z"),
            row("own", "1.0", None),
        ]
    }
    newer = newer_than_framework(resolutions, {"tensorflow"})
    assert [(one.package, one.days) for one in newer] == [("protobuf", 1645), ("keras", 908)]
    assert undated(resolutions) == ("own",)
    assert newer_than_framework(resolutions, ()) == ()
    assert newer_text(newer, env="tf25", width=200) == (
        "2 dependencies were uploaded over a year after tensorflow 2.5.0\n"
        "  protobuf  6.33  2025-11-13  4.5 years later\n"
        "  keras     2.15  2023-11-07  2.5 years later\n"
        "  It was never run with these when it was released, and may not even import. "
        'next: as-of = "release" in [env.tf25], then `envlock lock`\n'
    )
    assert newer_text((), env="tf25") == ""
    exempt = newer_text(newer, env="tf25", own={"protobuf", "keras"}, width=200)
    assert exempt.endswith(
        "next: as-of-packages of [env.tf25] exempts them, or -P did, which `envlock lock tf25 -U` undoes\n"
    )
    assert 'as-of = "release"' in newer_text(newer, env="tf25", own={"keras"}, width=200)


def test_a_long_table_is_cut() -> None:
    """The rest is counted."""
    rows = [
        Newer(package=f"p{number:02}", version="1", uploaded="2026-01-01", framework="torch 1", days=400)
        for number in range(14)
    ]
    assert "  and 2 more\n" in newer_text(rows, env="it")


def test_packages_without_a_date_are_named() -> None:
    """A few of them."""
    assert undated_text(()) == ""
    assert undated_text([f"p{number}" for number in range(7)]) == (
        "the index has no upload times (PEP 700) for p0, p1, p2, p3, p4 and 2 more: as-of cannot limit them\n"
    )


def test_a_framework_without_a_wheel_for_a_platform_is_said_with_the_way_out() -> None:
    """Which platforms have one, and the newest version that has one there."""
    asked = environment(frameworks={"torch": "==2.1"}, platforms=("linux/amd64", "macos/amd64"))
    error = explained(
        UsageError("unsatisfiable", "No."), asked, Cutoffs(moment=None), "2.31", _nothing, edges_with(resolver=Torch())
    )
    assert str(error) == (
        "torch==2.1 has no wheel for macos/amd64, Python 3.11. [no-wheel-for-platform]\n"
        "  where: torch\n"
        "  expected: a wheel for each of: linux/amd64, macos/amd64\n"
        "  found: wheels for linux/amd64; the newest one for macos/amd64 is 2.0\n"
        '  next: Drop macos/amd64 from platforms, or put it into an environment of its own with torch = "==2.0".'
    )


def test_a_cutoff_over_an_index_without_upload_times_is_said() -> None:
    """Nothing exists there before any date."""
    asked = environment(frameworks={"torch": "==2.0"}, as_of="2023-01-01")
    given = Cutoffs(moment="2023-01-01T00:00:00Z")
    error = explained(
        UsageError("unsatisfiable", "No."),
        asked,
        given,
        "2.31",
        lambda _: {AMD64: [row("torch", "2.0", None)]},
        edges_with(resolver=Torch()),
    )
    assert error.reference == "no-upload-time"
    other = UsageError("resolver-failed", "No network.")
    assert explained(other, asked, given, "2.31", _nothing, edges_with(resolver=Torch())) is other


def _nothing(_: Cutoffs) -> Any:
    raise UsageError("unsatisfiable", "No.")
