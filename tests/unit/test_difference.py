"""Two locks compared: what changes results first, with what is known about it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from envlock.formats.pylock import write_lock
from envlock.model.change import Difference, Unsaid, change_of
from envlock.model.hardware import AcceleratorClass, Facts, HardwareClass
from envlock.model.lock import Lock, LockFile, RunLayer, Settings
from envlock.model.platform import Platform
from envlock.operations.diff import diff_locks, exit_code_of
from envlock.report.difference import difference_json, difference_text
from envlock.report.difference_markdown import difference_markdown
from tests.unit.known_tables import known_tables as known_tables
from tests.unit.venvs import demo_wheel, lock_of
from tests.unit.wheels import make_wheel


@pytest.fixture
def locks(tmp_path: Path) -> tuple[LockFile, LockFile]:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old = {"tensorflow": "2.5.0", "numpy": "1.19.5", "six": "1.15.0", "gone": "1.0", "same": "1.0"}
    new = {"tensorflow": "2.6.0", "numpy": "1.21.0", "six": "1.16.0", "keras": "2.6.0", "same": "1.0"}
    return (
        lock_of(
            [make_wheel(tmp_path / "old", name, version) for name, version in old.items()],
            env="tf25",
            frameworks=("tensorflow",),
            settings=Settings(threads=1, env={"TF_ENABLE_ONEDNN_OPTS": "0", "TZ": "UTC"}),
            base_python="3.11.2",
            as_of="2021-05-15T00:00:00Z",
        ),
        lock_of(
            [make_wheel(tmp_path / "new", name, version) for name, version in new.items()],
            env="tf26",
            frameworks=("tensorflow",),
            settings=Settings(threads=2, env={"TZ": "CET"}),
            base_python="3.11.3",
            as_of="2021-08-12T00:00:00Z",
        ),
    )


def test_order_of_changes(locks: tuple[LockFile, LockFile]) -> None:
    """Framework, other frameworks, numerics, settings; then behaviour; cosmetic last."""
    found = [(change.subject, change.impact) for change in diff_locks(*locks).changes]
    assert found == [
        ("tensorflow", "results"),
        ("keras", "results"),
        ("numpy", "results"),
        ("TF_ENABLE_ONEDNN_OPTS", "results"),
        ("threads", "results"),
        ("python", "compat"),
        ("TZ", "compat"),
        ("gone", "compat"),
        ("six", "compat"),
        ("as-of", "cosmetic"),
    ]


@pytest.mark.usefixtures("known_tables")
def test_text(locks: tuple[LockFile, LockFile]) -> None:
    """The whole story on one screen, with the measurement behind each known change."""
    assert difference_text(diff_locks(*locks), width=100) == (Path(__file__).parent / "difference.txt").read_text(
        "utf-8"
    )


@pytest.mark.usefixtures("known_tables")
def test_json(locks: tuple[LockFile, LockFile]) -> None:
    """The JSON is versioned and holds facts with their source."""
    document = json.loads(difference_json(diff_locks(*locks)))
    assert document["schema"] == 1
    fact = document["changes"][0]["facts"][0]
    assert (fact["before"], fact["after"], fact["differ"], fact["probes"]) == ("2.5.0", "2.6.0", 3, 171)
    assert fact["source"] == "measured by envlock"
    assert document["unchanged_packages"] == 1


def test_equal_locks(locks: tuple[LockFile, LockFile]) -> None:
    """A lock and itself differ in nothing, also for --exit-code."""
    difference = diff_locks(locks[0], locks[0])
    assert difference_text(difference) == "tf25 → tf25: the same file\n"
    assert exit_code_of(difference, exit_code=True) == 0


def test_exit_code_only_when_asked(locks: tuple[LockFile, LockFile]) -> None:
    """Like git diff: 0 for differing locks unless --exit-code is given."""
    difference = diff_locks(*locks)
    assert (exit_code_of(difference, exit_code=False), exit_code_of(difference, exit_code=True)) == (0, 1)


def test_facts_and_classes_of_hardware(locks: tuple[LockFile, LockFile]) -> None:
    """Another CUDA or cuDNN changes results; drivers, targets and classes change where it runs."""
    old, new = (
        msgspec.structs.replace(
            locks[0],
            lock=msgspec.structs.replace(
                locks[0].lock,
                facts=Facts(cuda=cuda, cudnn="9.1.0", gpu_targets=("sm_80", target), minimum_driver=driver),
                hardware={"gpu": HardwareClass(accelerator=AcceleratorClass(kind="nvidia", models=models))},
            ),
        )
        for cuda, target, driver, models in (
            ("12.8", "sm_90", "525.60.13", ("A100", "V100")),
            ("13.0", "sm_120", "580.65.06", ("A100",)),
        )
    )
    found = [(c.area, c.subject, c.impact, c.before, c.after) for c in diff_locks(old, new).changes]
    assert found == [
        ("accelerator", "CUDA", "results", "12.8", "13.0"),
        ("accelerator", "GPU targets", "compat", "sm_80 sm_90", "sm_80 sm_120"),
        ("accelerator", "minimum driver", "compat", "525.60.13", "580.65.06"),
        (
            "lock",
            "hardware.gpu",
            "compat",
            "accelerator nvidia, models A100 or V100",
            "accelerator nvidia, models A100",
        ),
    ]
    (added,) = diff_locks(
        locks[0],
        msgspec.structs.replace(locks[0], lock=msgspec.structs.replace(locks[0].lock, cuda="wheels")),
    ).changes
    assert (added.subject, added.kind, added.after) == ("cuda", "added", "wheels")


def test_steps_and_what_containers_start_with(tmp_path: Path) -> None:
    """Steps that were executed, or that left something else behind; and what the image's configuration says."""
    (tmp_path / "old").mkdir()
    plain = lock_of([make_wheel(tmp_path / "old", "same", "1.0")], base_python="3.11.2").lock

    def changed(sha256: str, *steps: str, **image: object) -> LockFile:
        row = RunLayer(
            platform="linux/amd64",
            sha256=sha256 * 64,
            diff_id=f"sha256:{sha256 * 64}",
            size=1,
            path=f"built/{sha256 * 16}/run.tar.gz",
        )
        assert plain.base is not None
        assert plain.image is not None
        base = replace(plain.base, run=steps, run_layers=(row,) if steps else ())
        lock = replace(plain, base=base, image=replace(plain.image, **image))
        return LockFile(lock=lock, raw=write_lock(lock))

    found = diff_locks(
        changed("a", cmd=("serve",), env={"OMP_NUM_THREADS": "1", "PORT": "80"}),
        changed("a", "apt-key list", cmd=("train",), env={"PORT": "81"}, workdir="/srv", user="app"),
    ).changes
    assert [(change.subject, change.impact, change.kind, change.before, change.after) for change in found] == [
        ("OMP_NUM_THREADS", "results", "removed", "1", ""),
        ("PORT", "compat", "changed", "80", "81"),
        ("cmd", "compat", "changed", '["serve"]', '["train"]'),
        ("run", "compat", "added", "", '["apt-key list"]'),
        ("user", "compat", "added", "", "app"),
        ("workdir", "compat", "added", "", "/srv"),
    ]
    (again,) = diff_locks(changed("a", "true"), changed("b", "true")).changes
    assert (again.subject, again.before, again.after) == (
        "run on linux/amd64",
        f"sha256 {'a' * 12}",
        f"sha256 {'b' * 12}",
    )


def test_same_version_from_another_wheel(tmp_path: Path) -> None:
    """A package that was built again is told, though its version stays."""
    (change,) = diff_locks(
        lock_of([demo_wheel(tmp_path / "a")]), lock_of([demo_wheel(tmp_path / "b", value=2)])
    ).changes
    assert (change.kind, change.before, change.after) == ("rebuilt", "1.0", "1.0")


def with_changes(lock_file: LockFile, **changes: object) -> LockFile:
    """Return a lock with these fields changed."""
    lock = replace(lock_file.lock, **changes)
    return LockFile(lock=lock, raw=write_lock(lock))


def test_chains(locks: tuple[LockFile, LockFile]) -> None:
    """What brought a dependency in: from what is asked for down to it; of what is gone, how it was there."""
    asked = {"requirements": "six; tensorflow==2.5.0"}, {"requirements": "six>=1.16; tensorflow==2.6.0"}
    needs = {"tensorflow": ("gone",)}, {"tensorflow": ("keras",), "keras": ("numpy",)}
    old, new = (
        with_changes(
            lock_file,
            inputs=inputs,
            packages=tuple(replace(each, dependencies=needed.get(each.name, ())) for each in lock_file.lock.packages),
        )
        for lock_file, inputs, needed in zip(locks, asked, needs, strict=True)
    )
    difference = diff_locks(old, new)
    assert {c.subject: (c.chain, c.brought_by) for c in difference.changes if c.area in ("framework", "numerics")} == {
        "tensorflow": (("tensorflow",), "locked as a framework: tensorflow==2.6.0, before: tensorflow==2.5.0"),
        "keras": (("tensorflow", "keras"), "a dependency of tensorflow, as of 2021-05-15 → 2021-08-12"),
        "numpy": (("tensorflow", "keras", "numpy"), "a dependency of keras, as of 2021-05-15 → 2021-08-12"),
    }
    lines = [line.strip() for line in difference_text(difference, width=200).splitlines()]
    assert "+ keras                       - → 2.6.0   by tensorflow" in lines
    assert "~ numpy                  1.19.5 → 1.21.0  by tensorflow › keras" in lines
    assert "- gone       1.0 → -       was there by tensorflow" in lines
    assert "~ six     1.15.0 → 1.16.0  asked for: six>=1.16, before: six" in lines


def test_a_cutoff_of_one_package(locks: tuple[LockFile, LockFile]) -> None:
    """`lock -P numpy` moves numpy's own cutoff, which is told with it and by itself."""
    moved = with_changes(locks[0], as_of_packages={"numpy": "2021-06-01T00:00:00Z"})
    (change,) = diff_locks(locks[0], moved).changes
    assert (change.subject, change.before, change.after) == ("as-of of numpy", "", "2021-06-01T00:00:00Z")


def test_what_is_asked_for(locks: tuple[LockFile, LockFile]) -> None:
    """A requirement that moves no package is told by itself; so are constraints, indexes and files of `from`."""
    old = with_changes(
        locks[0],
        inputs={
            "requirements": "numpy>=1.19; six",
            "constraints": "six<2",
            "index corp": '{"url": "url-0"}',
            "from uv.lock": "a" * 64,
        },
    )
    new = with_changes(
        locks[0],
        inputs={
            "requirements": "numpy>=1.18; six",
            "index corp": '{"url": "url-1"}',
            "from uv.lock": "b" * 64,
            "from requirements.txt": "same==1.0",
            "groups": "dev",
        },
    )
    assert [(c.subject, c.impact, c.before, c.after) for c in diff_locks(old, new).changes] == [
        ("constraint of six", "cosmetic", "six<2", ""),
        ("from uv.lock", "cosmetic", "a" * 12, "b" * 12),
        ("groups", "cosmetic", "", "dev"),
        ("index corp", "cosmetic", '{"url": "url-0"}', '{"url": "url-1"}'),
        ("requirement of numpy", "cosmetic", "numpy>=1.19", "numpy>=1.18"),
        ("requirement of same", "cosmetic", "", "same==1.0"),
    ]


def test_another_platform_is_no_other_wheel(locks: tuple[LockFile, LockFile]) -> None:
    """A wheel more, for a platform that came, leaves the wheels of the others as they were."""
    numpy = locks[0].lock.package("numpy")
    assert numpy is not None
    (wheel,) = numpy.wheels
    arm = replace(wheel, name="numpy-1.19.5-cp311-cp311-linux_aarch64.whl", sha256="a" * 64)
    packages = tuple(
        replace(each, wheels=(wheel, arm)) if each.name == "numpy" else each for each in locks[0].lock.packages
    )
    more = with_changes(locks[0], packages=packages, platforms=(*locks[0].lock.platforms, Platform("linux", "arm64")))
    assert [change.subject for change in diff_locks(locks[0], more).changes] == ["platforms"]


def test_wheels_from_elsewhere(locks: tuple[LockFile, LockFile]) -> None:
    """The same wheels at another host are no other wheels; a login in a URL is nobody's business."""
    sides = [
        with_changes(
            locks[0],
            packages=tuple(
                replace(each, wheels=tuple(replace(w, path=None, url=f"https://{host}/{w.name}") for w in each.wheels))
                for each in locks[0].lock.packages
            ),
        )
        for host in ("pypi.example.com", "ana:secret@mirror.example.com")
    ]
    (change,) = diff_locks(*sides).changes
    assert (change.subject, change.impact, change.before, change.after) == (
        "wheels",
        "cosmetic",
        "pypi.example.com",
        "mirror.example.com",
    )


@pytest.mark.parametrize("name", Lock.__struct_fields__)
def test_no_field_of_a_lock_changes_unseen(locks: tuple[LockFile, LockFile], name: str) -> None:
    """Whatever differs between two locks is told; that they are of other environments, their names tell."""
    base = locks[0].lock.base
    assert base is not None
    others: dict[str, object] = {
        "platforms": (Platform("linux", "arm64"),),
        "as_of_packages": {"six": "none"},
        "cuda": "wheels",
        "hardware": {"any": HardwareClass()},
        "facts": Facts(cuda="12.8"),
        "policy": "bitwise",
        "urls": "omit",
        "inputs": {"requirements": "six"},
        "frameworks": (),
        "image": None,
        "base": replace(base, glibc="2.31"),
        "layer_spec": 2,
        "python": "3.12",
    }
    value = others.get(name, getattr(locks[1].lock, name))
    other = LockFile(lock=replace(locks[0].lock, **{name: value}), raw=b"")
    assert (diff_locks(locks[0], other).changes == ()) == (name == "env")


def test_markdown(locks: tuple[LockFile, LockFile]) -> None:
    """Tables with what is known of each step; what changes no results is folded where it is cosmetic."""
    lines = difference_markdown(diff_locks(*locks)).splitlines()
    assert lines[:8] == [
        "## <code>tf25</code> → <code>tf26</code>",
        "",
        "10 changes: 5 of results, 4 of behaviour, 1 cosmetic; 1 package unchanged.",
        "",
        "### Changes results (5)",
        "",
        "| what | before | after | why |",
        "| --- | --- | --- | --- |",
    ]
    assert lines[8].startswith("| <code>tensorflow</code><br><sub>locked as a framework</sub> | <code>2.5.0</code> | ")
    assert "<details><summary>Cosmetic (1)</summary>" in lines


def test_markdown_of_hostile_names() -> None:
    """What a report calls things can neither end a cell, nor be a link, a mention or HTML; it fits into a comment."""
    evil = "x|<img src=x onerror=alert(1)>`](https://example.com)@ana #1\n::error::"
    changes = tuple(
        change_of("settings", f"{evil}{number}", evil, "", evil, "results", number) for number in range(300)
    )
    difference = Difference(
        before=evil, after=evil, before_digest="", after_digest="", changes=changes, unchanged_packages=0
    )
    text = difference_markdown(replace(difference, unsaid=(Unsaid(subject=evil, side=evil, reason=evil),)))
    assert len(text.encode()) <= 65_000
    for syntax in ("<img", "](", "@ana", "x|", "\n::error::", "onerror="):
        assert syntax not in text
    assert " more | | | |" in text
    shown = difference_text(replace(difference, changes=changes[:1]))
    assert "\n::error::" not in shown
