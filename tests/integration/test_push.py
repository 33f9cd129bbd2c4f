"""Images shared through Debian's registry on loopback, by the real command: what travels, and what does not have to."""

from __future__ import annotations

import shutil
import urllib.request
from pathlib import Path

import pytest

from tests.integration.project import SMALL, Project
from tests.integration.test_registry import registry  # noqa: F401

pytestmark = pytest.mark.network

_INDEX = "application/vnd.oci.image.index.v1+json"
_DOCUMENTS = 100_000
"""Bytes: more than configuration, manifest, index, lock layer and provenance have."""


def machine(built: Project, folder: Path, repository: str, *, cache: Path | None = None) -> Project:
    """Return a checkout of the small project on a machine with that cache, empty by default."""
    made = Project(folder, f'{SMALL}repository = "{repository}"\n', cache=cache or folder.with_suffix(".cache"))
    shutil.copytree(built.folder / "lockfiles", folder / "lockfiles")
    return made


def bump(project: Project, version: str) -> None:
    """Ask for another release of one small package, and lock."""
    manifest = project.folder / "envlock.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("click==8.1.7", f"click=={version}"), "utf-8")
    project.ok("lock")


def wheels_in(project: Project) -> list[str]:
    """Return the wheels that came to a machine."""
    assert project.cache is not None
    return sorted(path.name for path in project.cache.glob("files/*/*.whl"))


def digest_in(registry: str, repository: str, tag: str) -> str:  # noqa: F811
    """Ask the registry what a tag names."""
    request = urllib.request.Request(
        f"http://{registry}/v2/{repository}/manifests/{tag}", headers={"Accept": _INDEX}, method="HEAD"
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return str(response.headers["Docker-Content-Digest"])


@pytest.fixture(scope="module")
def pushed(built: Project, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Project:  # noqa: F811
    """The machine that built the image has pushed it."""
    made = machine(built, tmp_path_factory.mktemp("pushed") / "project", f"{registry}/team/small", cache=built.cache)
    made.ok("push", "-t", ":v1")
    return made


def test_the_digest_is_the_one_that_build_prints(built: Project, registry: str, tmp_path: Path) -> None:  # noqa: F811
    """Under the tag of the lock and under the user's; everything was sent, and the second time nothing."""
    made = machine(built, tmp_path / "project", f"{registry}/team/first", cache=built.cache)
    image = built.ok("build", "--json").json["images"][0]
    first, again = (made.ok("push", "-t", "v1", "--json").json["pushed"][0] for _ in range(2))
    tag = f"lock-{image['lock'].removeprefix('sha256:')[:32]}"
    assert first["index"] == again["index"] == image["index"]
    assert first["platforms"] == image["platforms"]
    assert first["references"] == [f"{registry}/team/first:{name}@{image['index']}" for name in (tag, "v1")]
    assert {digest_in(registry, "team/first", name) for name in (tag, "v1")} == {image["index"]}
    assert (first["unchanged"], first["mounted"], first["there"]) == (False, 0, 0)
    assert first["bytes"] > 10_000_000
    assert (again["unchanged"], again["sent"], again["bytes"]) == (True, 0, 0)
    rebuilt = made.ok("push", "--rebuild", "--json").json["pushed"][0]
    assert (rebuilt["unchanged"], rebuilt["sent"], rebuilt["bytes"]) == (False, 0, 0)
    assert (rebuilt["index"], rebuilt["there"]) == (image["index"], first["sent"])


def test_a_fresh_machine_needs_no_wheel(built: Project, pushed: Project, registry: str, tmp_path: Path) -> None:  # noqa: F811
    """Neither to see that the image is there, nor to put it elsewhere, nor to have it as a layout."""
    fresh = machine(built, tmp_path / "fresh", f"{registry}/team/small")
    known = fresh.ok("push", "--json").json["pushed"][0]
    assert (known["unchanged"], known["bytes"]) == (True, 0)
    mounted = fresh.ok("push", "-t", f"{registry}/other/place:1", "--json").json["pushed"][0]
    assert (mounted["sent"], mounted["there"], mounted["index"]) == (0, 0, known["index"])
    assert mounted["bytes"] < _DOCUMENTS
    assert fresh.cache is not None
    assert not list(fresh.cache.glob("layers/*/blob"))
    layout = fresh.ok("build", "-o", f"oci:{tmp_path / 'layout'}", "--json").json["images"][0]
    assert layout["index"] == known["index"]
    assert wheels_in(fresh) == []
    assert not list(fresh.cache.glob("files/*/*.deb"))


def test_a_bump_sends_the_layer_of_what_differs(built: Project, pushed: Project, tmp_path: Path) -> None:
    """Base and virtual environment are there already, also for who has neither wheels nor layers."""
    bumped = machine(built, tmp_path / "bumped", _repository(pushed), cache=built.cache)
    bump(bumped, "8.1.6")
    fresh = machine(bumped, tmp_path / "fresh", _repository(pushed))
    row = fresh.ok("push", "--json").json["pushed"][0]
    sums = (fresh.folder / "lockfiles" / "envlock.sum").read_text("utf-8")
    before = (pushed.folder / "lockfiles" / "envlock.sum").read_text("utf-8")
    new = [int(line.split()[4]) for line in sums.splitlines() if line not in before and line.startswith("layer")]
    assert row["bytes"] <= sum(new) + _DOCUMENTS
    assert (row["sent"], row["there"]) == (3, 2)
    assert bumped.ok("build", "--json", "-o", f"oci:{tmp_path / 'layout'}").json["images"][0]["index"] == row["index"]


def test_pull_brings_what_the_lock_says(built: Project, pushed: Project, tmp_path: Path) -> None:
    """Also by a tag that names another image by now, which is told, and where envlock.sum is lost."""
    fresh = machine(built, tmp_path / "fresh", _repository(pushed))
    index = pushed.ok("push", "--json").json["pushed"][0]["index"]
    pulled = fresh.ok("pull", "--json").json["pulled"]
    assert (pulled["index"], wheels_in(fresh)) == (index, [])
    assert fresh.ok("verify", "--image", "oci:.envlock/images/small", "--full", "--frozen").code == 0
    other = machine(built, tmp_path / "other", _repository(pushed), cache=built.cache)
    bump(other, "8.1.5")
    other.ok("push", "-t", "moving")
    moved = fresh.ok("pull", "-t", "moving", "--json")
    assert moved.json["pulled"]["index"] == index
    assert "names another image by now" in moved.err
    (fresh.folder / "lockfiles" / "envlock.sum").unlink()
    unvouched = fresh.ok("pull", "--json")
    assert unvouched.json["pulled"]["index"] == index
    assert "does not know this image" in unvouched.err
    refused = fresh.run("pull", "-t", "moving")
    assert (refused.code, "[not-the-locked-image]" in refused.err) == (4, True)


def test_copy_and_tag_keep_digests(pushed: Project, registry: str, tmp_path: Path) -> None:  # noqa: F811
    """Through a layout into another repository, with the provenance; the tag moves no layer."""
    row = pushed.ok("push", "--json").json["pushed"][0]
    layout = f"oci:{tmp_path / 'layout'}:v1"
    to_layout = pushed.ok("copy", f"{_repository(pushed)}:v1", layout, "--json").json
    assert (to_layout["digest"], to_layout["referrers"]) == (row["index"], 1)
    assert pushed.ok("verify", "--image", f"oci:{tmp_path / 'layout'}").code == 0
    to_registry = pushed.ok("copy", layout, f"{registry}/copied/place:v1", "--json").json
    assert (to_registry["digest"], to_registry["referrers"]) == (row["index"], 1)
    mounted = pushed.ok("copy", f"{_repository(pushed)}:v1", f"{registry}/mounted/place:v1", "--json").json
    assert (mounted["sent"], mounted["sent_bytes"], mounted["digest"]) == (0, 0, row["index"])
    said = pushed.ok("tag", f"{registry}/copied/place:v1", "v2", ":v3").out
    assert said.splitlines() == [f"{registry}/copied/place:{name}@{row['index']}" for name in ("v2", "v3")]
    assert digest_in(registry, "copied/place", "v3") == row["index"]


def test_a_lock_tag_that_was_moved_stops_a_push(built: Project, registry: str, tmp_path: Path) -> None:  # noqa: F811
    """Exit 4 with both digests."""
    made = machine(built, tmp_path / "project", f"{registry}/team/attacked", cache=built.cache)
    row = made.ok("push", "--no-provenance", "--json").json["pushed"][0]
    tag = row["references"][0].rpartition("@")[0].rpartition(":")[2]
    url = f"http://{registry}/v2/team/attacked/manifests"
    with urllib.request.urlopen(urllib.request.Request(f"{url}/{tag}", headers={"Accept": _INDEX}), timeout=30) as it:
        raw = it.read() + b"\n"
    request = urllib.request.Request(f"{url}/{tag}", data=raw, headers={"Content-Type": _INDEX}, method="PUT")
    urllib.request.urlopen(request, timeout=30).close()
    result = made.run("push")
    assert (result.code, "[lock-tag-moved]" in result.err) == (4, True)
    assert row["index"] in result.err
    assert digest_in(registry, "team/attacked", tag) in result.err


@pytest.mark.parametrize(
    ("arguments", "reference"),
    [
        (("push", "-t", "Registry.example.com/A:1"), "bad-reference"),
        (("push", "-t", ":-"), "bad-tag"),
        (("push", "-t", f"lock-{'0' * 32}"), "reserved-tag"),
        (("copy", "oci:", "oci:x"), "bad-reference"),
        (("copy", "oci:missing", "oci:x"), "no-layout"),
        (("tag", "a b", "c"), "bad-reference"),
        (("pull", "-t", "127.0.0.1:9/x"), "registry-failed"),
    ],
)
def test_bad_input_is_named(pushed: Project, arguments: tuple[str, ...], reference: str) -> None:
    """Exit 2 and a reference for the documentation."""
    result = pushed.run(*arguments)
    assert (result.code, f"[{reference}]" in result.err) == (2, True), result.err


def _repository(project: Project) -> str:
    line = (project.folder / "envlock.toml").read_text("utf-8").rstrip().rpartition("\n")[2]
    return line.split('"')[1]
