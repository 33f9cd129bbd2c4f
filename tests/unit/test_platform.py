"""Platforms by every name they have, and which wheels each of them takes."""

from __future__ import annotations

import pytest
from packaging.markers import Marker

from envlock.errors import UsageError
from envlock.formats.tags import best_of, environment_of, target_tags
from envlock.model.platform import Platform, image_platforms

ALL = ("linux/amd64", "linux/arm64", "macos/amd64", "macos/arm64", "windows/amd64")


def test_the_platforms_that_can_be_locked() -> None:
    """In the order in which a lock lists them."""
    assert tuple(map(str, Platform.known())) == ALL


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("darwin/arm64", "macos/arm64"),
        ("macos/aarch64", "macos/arm64"),
        ("osx/x86_64", "macos/amd64"),
        ("win/x64", "windows/amd64"),
        ("win32/AMD64", "windows/amd64"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
    ],
)
def test_names_of_others(text: str, platform: str) -> None:
    """They are taken, and a lock always says ours."""
    assert str(Platform.parse(text)) == platform


@pytest.mark.parametrize("text", ["linux", "linux/riscv64", "windows/arm64", "freebsd/amd64", "", "macos/arm64/v8"])
def test_unknown_platforms(text: str) -> None:
    """The known ones are named."""
    with pytest.raises(UsageError, match="unknown-platform") as caught:
        Platform.parse(text)
    assert caught.value.expected == " or ".join(ALL)


@pytest.mark.parametrize(
    ("text", "machine", "system", "target"),
    [
        ("linux/amd64", "x86_64", "linux", "x86_64-manylinux_2_31"),
        ("linux/arm64", "aarch64", "linux", "aarch64-manylinux_2_31"),
        ("macos/amd64", "x86_64", "darwin", "x86_64-apple-darwin"),
        ("macos/arm64", "arm64", "darwin", "aarch64-apple-darwin"),
        ("windows/amd64", "AMD64", "win32", "x86_64-pc-windows-msvc"),
    ],
)
def test_what_a_machine_says_of_itself_is_its_platform(text: str, machine: str, system: str, target: str) -> None:
    """platform.machine() and sys.platform lead back; uv has its own name."""
    platform = Platform.parse(text)
    assert (platform.machine, platform.sys_platform) == (machine, system)
    assert Platform.of_machine(machine, system) == platform
    assert platform.uv_target("2.31") == target


@pytest.mark.parametrize(("glibc", "newest"), [("2.12", 17), ("2.27", 17), ("2.30", 28), ("2.36", 36), ("2.99", 40)])
def test_uv_is_asked_for_the_newest_glibc_that_it_knows_and_the_base_runs(glibc: str, newest: int) -> None:
    """It has no name for most versions."""
    assert Platform.parse("linux/amd64").uv_target(glibc) == f"x86_64-manylinux_2_{newest}"


def test_a_marker_holds_on_its_own_platform_alone() -> None:
    """So that merged locks tell platforms apart."""
    for one in Platform.known():
        holding = [
            other for other in Platform.known() if Marker(one.marker).evaluate(dict(environment_of("3.11", other)))
        ]
        assert holding == [one]


def test_tags_of_macos_and_windows() -> None:
    """macOS from 14 down, universal wheels too; Windows has one tag."""
    arm, intel, windows = (
        {tag.platform for tag in target_tags("3.11", Platform.parse(text), "2.17")}
        for text in ("macos/arm64", "macos/amd64", "windows/amd64")
    )
    assert {"macosx_14_0_arm64", "macosx_11_0_arm64", "macosx_10_9_universal2", "any"} <= arm
    assert not {"macosx_15_0_arm64", "macosx_11_0_x86_64", "linux_aarch64"} & arm
    assert {"macosx_14_0_x86_64", "macosx_10_9_x86_64", "macosx_10_6_intel", "macosx_11_0_universal2"} <= intel
    assert windows == {"win_amd64", "any"}


@pytest.mark.parametrize(
    ("platform", "best"),
    [
        ("linux/amd64", "a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"),
        ("linux/arm64", "a-1-py3-none-any.whl"),
        ("macos/amd64", "a-1-cp311-cp311-macosx_10_9_universal2.whl"),
        ("macos/arm64", "a-1-cp311-cp311-macosx_11_0_arm64.whl"),
        ("windows/amd64", "a-1-cp311-cp311-win_amd64.whl"),
    ],
)
def test_each_platform_finds_its_wheel_among_those_of_a_lock(platform: str, best: str) -> None:
    """The machine's own goes before a universal one, and that before one for all."""
    names = [
        "a-1-py3-none-any.whl",
        "a-1-cp311-cp311-win_amd64.whl",
        "a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "a-1-cp311-cp311-macosx_11_0_arm64.whl",
        "a-1-cp311-cp311-macosx_10_9_universal2.whl",
    ]
    assert best_of(names, Platform.parse(platform)) == best
    assert best_of(names[1:2], Platform.parse("linux/amd64")) is None


def test_images_are_of_linux() -> None:
    """Other platforms of a lock have none; a lock without Linux cannot be built."""
    mixed = [Platform.parse(text) for text in ("windows/amd64", "linux/arm64", "linux/amd64", "linux/amd64")]
    assert list(map(str, image_platforms(mixed))) == ["linux/amd64", "linux/arm64"]
    with pytest.raises(UsageError, match="no-linux-platform") as caught:
        image_platforms(mixed[:1], "[env.a]")
    assert caught.value.where == "[env.a]"
