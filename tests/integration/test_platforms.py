"""One lock for several platforms, resolved from the real index: each gets what was resolved for it alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.formats.pylock import read_lock, wheels_of
from envlock.model.lock import Lock
from envlock.model.platform import Platform
from tests.integration.project import Project

pytestmark = pytest.mark.network

FIVE = """\
[env.small]
python = "3.11"
dependencies = ["numpy", "pandas"]
platforms = ["linux/amd64", "linux/arm64", "macos/arm64", "macos/amd64", "windows/amd64"]
as-of = "2025-06-01"
"""
TORCH = """\
[env.small]
python = "3.11"
frameworks = {{ torch = "{version}" }}
platforms = [{platforms}]
as-of = "release"
"""


def installed(lock: Lock, platform: str) -> dict[str, str]:
    """Return the wheel of each package by its name, as far as it tells the platform."""
    return {
        package.name: wheel.name.removesuffix(".whl").split("-", 2)[2]
        for package, wheel in wheels_of(lock, Platform.parse(platform))
    }


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_five_platforms_in_one_lock(tmp_path: Path, cache: Path) -> None:
    """The same versions everywhere, each with the wheel of its platform; pure ones are shared."""
    project = Project(tmp_path / "project", FIVE, cache=cache)
    project.ok("lock")
    lock = read_lock(project.lock_path()).lock
    assert [f"{package.name} {package.version}" for package in lock.packages] == [
        "numpy 2.2.6",
        "pandas 2.2.3",
        "python-dateutil 2.9.0.post0",
        "pytz 2025.2",
        "six 1.17.0",
        "tzdata 2025.2",
    ]
    assert {str(platform): installed(lock, str(platform))["numpy"] for platform in lock.platforms} == {
        "linux/amd64": "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "linux/arm64": "cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64",
        "macos/amd64": "cp311-cp311-macosx_14_0_x86_64",
        "macos/arm64": "cp311-cp311-macosx_14_0_arm64",
        "windows/amd64": "cp311-cp311-win_amd64",
    }
    assert {installed(lock, str(platform))["six"] for platform in lock.platforms} == {"py2.py3-none-any"}
    before = project.lock_path().read_bytes()
    project.ok("lock")
    assert project.lock_path().read_bytes() == before


def test_platforms_with_other_packages(tmp_path: Path, cache: Path) -> None:
    """CUDA's wheels are for Linux on x86-64 alone; as-of is the day after the last of torch's wheels."""
    platforms = '"linux/amd64", "linux/arm64", "macos/arm64", "windows/amd64"'
    project = Project(tmp_path / "project", TORCH.format(version="==2.5.1", platforms=platforms), cache=cache)
    project.ok("lock")
    lock = read_lock(project.lock_path()).lock
    assert lock.as_of == "2024-10-30T17:38:49Z"
    sizes = {str(platform): len(installed(lock, str(platform))) for platform in lock.platforms}
    assert sizes == {"linux/amd64": 22, "linux/arm64": 9, "macos/arm64": 9, "windows/amd64": 9}
    assert {package.marker for package in lock.packages if package.name.startswith("nvidia-")} == {
        "(sys_platform == 'linux' and platform_machine == 'x86_64')"
    }


def test_a_range_is_as_of_the_release_it_resolves_to(tmp_path: Path, cache: Path) -> None:
    """Not of the newest torch, and not of the oldest."""
    manifest = TORCH.format(version=">=2.4,<2.6", platforms='"macos/arm64"')
    project = Project(tmp_path / "project", manifest, cache=cache)
    project.ok("lock")
    lock = read_lock(project.lock_path()).lock
    torch = lock.package("torch")
    assert torch is not None
    assert (torch.version, lock.as_of) == ("2.5.1", "2024-10-30T17:33:02Z")


def test_a_framework_without_a_wheel_for_a_platform(tmp_path: Path, cache: Path) -> None:
    """torch left Macs with Intel after 2.2.2: said with the way out, and nothing is written."""
    manifest = TORCH.format(version="==2.5.1", platforms='"linux/amd64", "macos/amd64"').replace('"release"', '"none"')
    project = Project(tmp_path / "project", manifest, cache=cache)
    result = project.run("lock")
    assert result.code == 2
    assert result.err.partition("error: ")[2] == (
        "torch==2.5.1 has no wheel for macos/amd64, Python 3.11. [no-wheel-for-platform]\n"
        "  where: torch\n"
        "  expected: a wheel for each of: linux/amd64, macos/amd64\n"
        "  found: wheels for linux/amd64, linux/arm64, macos/arm64, windows/amd64; the newest one for macos/amd64 is"
        " 2.2.2\n"
        "  next: Drop macos/amd64 from platforms, or put it into an environment of its own with"
        ' torch = "==2.2.2".\n'
    )
    assert not project.lock_path().exists()


def test_one_package_moves_beyond_the_cutoff(tmp_path: Path, cache: Path) -> None:
    """`-P` gives it a cutoff of its own, right after the release it found; the others stay, also in the next lock."""
    manifest = '[env.small]\npython = "3.11"\ndependencies = ["numpy<2.3", "six"]\nas-of = "2024-01-15"\n'
    project = Project(tmp_path / "project", manifest, cache=cache)
    project.ok("lock")
    project.ok("lock", "-P", "numpy")
    lock = read_lock(project.lock_path()).lock
    assert [f"{package.name} {package.version}" for package in lock.packages] == ["numpy 2.2.6", "six 1.16.0"]
    assert lock.as_of == "2024-01-15T00:00:00Z"
    assert lock.as_of_packages == {"numpy": "2025-05-17T21:32:48Z"}
    moved = project.lock_path().read_bytes()
    project.ok("lock")
    assert project.lock_path().read_bytes() == moved
    project.ok("lock", "-U")
    again = read_lock(project.lock_path()).lock
    assert ([package.version for package in again.packages], again.as_of_packages) == (["1.26.3", "1.16.0"], {})


def test_as_of_on_the_command_line_stays(tmp_path: Path, cache: Path) -> None:
    """Until -U."""
    manifest = '[env.small]\npython = "3.11"\ndependencies = ["six"]\nas-of = "2024-01-15"\n'
    project = Project(tmp_path / "project", manifest, cache=cache)
    project.ok("lock", "--as-of", "2025-01-01")
    project.ok("lock")
    assert read_lock(project.lock_path()).lock.as_of == "2025-01-01T00:00:00Z"
    project.ok("lock", "-U")
    assert read_lock(project.lock_path()).lock.as_of == "2024-01-15T00:00:00Z"
