"""Two sides compared of which one at least is no lock: what changes, and what nobody can tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from envlock.model.change import Difference
from envlock.model.lock import LockFile, Settings
from envlock.model.machine import Accelerators
from envlock.model.observation import Interpreter, Variables
from envlock.model.platform import Platform
from envlock.model.report import Checkout, Installed, Source
from envlock.model.side import Side
from envlock.model.unknown import Unknown
from envlock.operations.diff import diff_sides, exit_code_of
from envlock.report.difference import difference_text
from tests.unit.known_tables import known_tables as known_tables
from tests.unit.numerics import gave, numerics, probe, suite
from tests.unit.reports import PACKAGES, gpu, installed, machine, report
from tests.unit.venvs import lock_of
from tests.unit.wheels import make_wheel

VERSIONS = {"tensorflow": "2.5.0", "numpy": "1.19.5", "six": "1.15.0"}


def reported(name: str = "ana.json", **changes: Any) -> Side:
    """Return a report as a side."""
    return Side(name=name, kind="report", report=report(**changes), platform=Platform("linux", "amd64"))


def locked(tmp_path: Path, *, threads: int | None = None, base: str | None = "3.9.18", **env: str) -> Side:
    """Return a lock of what the usual report has installed, pip apart."""
    wheels = [make_wheel(tmp_path, name, version) for name, version in VERSIONS.items()]
    settings = Settings(threads=threads, env=env)
    lock_file = lock_of(wheels, python="3.9", base_python=base, frameworks=("tensorflow",), settings=settings)
    return Side(name="tf25", kind="lock", lock=lock_file)


def as_locked(side: Side, **changes: Any) -> Side:
    """Return the report of a machine on which a lock is installed, with these changes."""
    assert side.lock is not None
    rows = tuple(
        Installed(name=p.name, version=p.version, installer="uv", contents=(p.wheels[0].contents,))
        for p in side.lock.lock.packages
    )
    return reported(full=True, **{"distributions": rows, **changes})


def told(difference: Difference) -> list[tuple[str, str, str, str, str]]:
    """Return (area, subject, impact, before, after) of each change."""
    return [(c.area, c.subject, c.impact, c.before, c.after) for c in difference.changes]


def unsaid(difference: Difference) -> set[tuple[str, str]]:
    """Return (side, subject) of what was not compared."""
    return {(each.side, each.subject) for each in difference.unsaid}


@pytest.mark.usefixtures("known_tables")
def test_report_against_report() -> None:
    """Code first, then framework, GPU, Python, settings and CPU; behaviour, and last what is cosmetic."""
    ben = reported(
        "ben.json",
        checkout=Checkout(commit="1" * 40, dirty=True, root="f" * 40),
        distributions=installed(tensorflow="2.6.0", numpy="1.19.5", six="1.16.0", pip="22.0"),
        interpreter=Interpreter(implementation="cpython", version="3.10.1", system="linux", machine="x86_64"),
        variables=Variables(origin="shell", values={"OMP_NUM_THREADS": "4"}),
        machine=machine(
            cpus=16, memory=32 << 30, accelerators=Accelerators(devices=(gpu(),), driver="535.1"), features=("avx512f",)
        ),
        inputs={"data/train.csv": "e" * 64},
    )
    difference = diff_sides(reported(), ben)
    assert told(difference) == [
        ("code", "commit", "results", "0a1b2c3d", "11111111"),
        ("code", "uncommitted changes", "results", "none", "some"),
        ("data", "data data/train.csv", "results", "d" * 12, "e" * 12),
        ("framework", "tensorflow", "results", "2.5.0", "2.6.0"),
        ("hardware", "GPU", "results", "none", "NVIDIA A100-SXM4-40GB"),
        ("python", "python", "results", "3.9.18", "3.10.1"),
        ("settings", "threads", "results", "8", "4"),
        ("hardware", "CPU features", "results", "avx2", "avx512f"),
        ("hardware", "CPUs for programs", "results", "8", "16"),
        ("package", "six", "compat", "1.15.0", "1.16.0"),
        ("hardware", "memory", "cosmetic", "16 GiB", "32 GiB"),
        ("package", "pip", "cosmetic", "21.0", "22.0"),
    ]
    assert [fact.text for change in difference.changes for fact in change.facts] != []
    assert difference.changes[6].brought_by == "by OMP_NUM_THREADS in ben.json"
    assert difference.unchanged_packages == 1
    assert unsaid(difference) == {
        ("ana.json", "files of packages"),
        ("ben.json", "files of packages"),
        ("ben.json", "libc"),
    }


def test_a_report_and_itself() -> None:
    """Nothing differs, and it is said how far that reaches."""
    difference = diff_sides(reported(), reported("ben.json"))
    assert difference_text(difference, width=200) == (
        "ana.json → ben.json: nothing else differs\n"
        "\n"
        "Not compared\n"
        "  ? files of packages, in ana.json and ben.json: versions alone were compared, for files were not hashed "
        "(envlock report --full)\n"
    )
    assert exit_code_of(difference, exit_code=True) == 0


def test_a_lock_against_what_is_installed_from_it(tmp_path: Path) -> None:
    """The same packages with the same files: what is left is what a lock does not say."""
    lock = locked(tmp_path)
    difference = diff_sides(lock, as_locked(lock))
    assert told(difference) == []
    assert difference.unchanged_packages == 3
    assert (difference.before_kind, difference.after_kind) == ("lock", "report")
    assert unsaid(difference) == {("tf25", "commit"), ("tf25", "data data/train.csv"), ("tf25", "machine")}


def test_a_lock_against_other_packages(tmp_path: Path) -> None:
    """Versions, other files of one version, what came and went; a tool that nobody locked is cosmetic."""
    lock = locked(tmp_path)
    rows = (
        Installed(name="tensorflow", version="2.5.0", contents=("f" * 64,)),
        Installed(name="numpy", version="1.21.0", contents=("e" * 64,)),
        Installed(name="keras", version="2.6.0", contents=("d" * 64,)),
        Installed(name="pip", version="21.0", contents=("c" * 64,)),
    )
    difference = diff_sides(lock, as_locked(lock, distributions=rows))
    assert [(c.subject, c.kind, c.impact, c.before, c.after) for c in difference.changes] == [
        ("tensorflow", "rebuilt", "results", "2.5.0", "2.5.0"),
        ("keras", "added", "results", "", "2.6.0"),
        ("numpy", "changed", "results", "1.19.5", "1.21.0"),
        ("six", "removed", "compat", "1.15.0", ""),
        ("pip", "added", "cosmetic", "", "21.0"),
    ]


def test_threads_of_a_lock(tmp_path: Path) -> None:
    """A locked number is told once, however many variables set it; without one there is nothing to compare."""
    lock = locked(tmp_path, threads=2)
    (change,) = diff_sides(lock, as_locked(lock)).changes
    assert (change.subject, change.before, change.after, change.brought_by) == ("threads", "2", "8", "locked in tf25")
    free = locked(tmp_path)
    assert diff_sides(free, as_locked(free)).changes == ()
    set_there = as_locked(free, variables=Variables(origin="shell", values={"OMP_NUM_THREADS": "4"}))
    (change,) = diff_sides(free, set_there).changes
    assert (change.subject, change.before, change.after) == ("threads", "as many as there are CPUs", "4")
    other = as_locked(
        lock, variables=Variables(origin="shell", values={"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "3"})
    )
    assert [(c.subject, c.before, c.after) for c in diff_sides(lock, other).changes] == [
        ("MKL_NUM_THREADS", "2", "3"),
        ("TF_NUM_INTEROP_THREADS", "2", ""),  # TensorFlow does not read OpenMP's
        ("TF_NUM_INTRAOP_THREADS", "2", ""),
    ]


def test_settings_of_a_lock(tmp_path: Path) -> None:
    """What changes numbers is recorded by reports, and so comes and goes; of any other variable they do not tell."""
    lock = locked(tmp_path, PYTHONHASHSEED="0", TZ="UTC")
    difference = diff_sides(lock, as_locked(lock))
    assert told(difference) == [("settings", "PYTHONHASHSEED", "compat", "0", "")]
    assert ("ana.json", "TZ") in unsaid(difference)


@pytest.mark.parametrize(("base", "version", "changed"), [(None, "3.9.2", []), ("3.9.18", "3.9.2", ["compat"])])
def test_patch_release_of_python(tmp_path: Path, base: str | None, version: str, changed: list[str]) -> None:
    """A lock without an image fixes the feature version alone; another patch release is then no change, but told."""
    lock = locked(tmp_path, base=base)
    python = Interpreter(implementation="cpython", version=version, system="linux", machine="x86_64", libc="glibc 2.36")
    difference = diff_sides(lock, as_locked(lock, interpreter=python))
    assert [change.impact for change in difference.changes] == changed
    assert (("tf25", "patch release of Python 3.9") in unsaid(difference)) == (base is None)


def test_what_could_not_be_seen_is_no_match(tmp_path: Path) -> None:
    """Unknown packages are not taken for missing ones; with --exit-code they are no 0."""
    lock = locked(tmp_path)
    difference = diff_sides(lock, reported(distributions=Unknown(reason="it did not start", hint="look at it")))
    assert told(difference) == []
    (packages,) = (each for each in difference.unsaid if each.subject == "packages")
    assert (packages.side, packages.reason, packages.hint, packages.failed) == (
        "ana.json",
        "it did not start",
        "look at it",
        True,
    )
    assert (exit_code_of(difference, exit_code=False), exit_code_of(difference, exit_code=True)) == (0, 3)


def test_paths_that_reports_leave_out() -> None:
    """Equal texts out of which something was taken may have been different ones."""
    hidden = Variables(origin="shell", values={"PYTHONPATH": "<elsewhere>"})
    difference = diff_sides(reported(variables=hidden), reported("ben.json", variables=hidden))
    assert told(difference) == []
    assert {("ana.json", "PYTHONPATH"), ("ben.json", "PYTHONPATH")} <= unsaid(difference)


def test_sources_of_packages(tmp_path: Path) -> None:
    """An editable install is told; a wheel from the lock's own folder is where a lock takes it from."""
    lock = locked(tmp_path)
    seen = as_locked(lock).report
    assert seen is not None
    assert not isinstance(seen.distributions, Unknown)

    def with_source(source: Source) -> Side:
        assert not isinstance(seen.distributions, Unknown)
        rows = tuple(replace(row, source=source) if row.name == "six" else row for row in seen.distributions)
        return reported(full=True, distributions=rows)

    assert told(diff_sides(lock, with_source(Source(kind="archive")))) == []
    assert told(diff_sides(lock, with_source(Source(kind="directory", editable=True)))) == [
        ("package", "source of six", "compat", "the index", "editable")
    ]


def test_chains_of_reports() -> None:
    """Where a report tells what packages need, the way down to one is told, from what nothing else needs."""
    rows = tuple(
        replace(row, requires={"tensorflow": ("numpy", "keras"), "keras": ("six",)}.get(row.name, ()))
        for row in (*PACKAGES, *installed(keras="2.6.0"))
    )
    difference = diff_sides(
        reported(), reported("ben.json", distributions=tuple(row for row in rows if row.name != "six"))
    )
    chains = {change.subject: (change.chain, change.brought_by) for change in difference.changes}
    assert chains == {"keras": (("tensorflow", "keras"), "a dependency of tensorflow"), "six": ((), "")}
    assert "keras" in difference_text(difference)
    assert "by tensorflow" in difference_text(difference)


def test_an_image_runs_nowhere(tmp_path: Path) -> None:
    """Of somebody else's image it is said what its files do not tell; packages of the system are not listed."""
    lock = locked(tmp_path)
    seen = as_locked(lock).report
    assert seen is not None
    image = Side(
        name="example.com/other:1",
        kind="image",
        report=replace(seen, machine=None, checkout=None, inputs={}, variables=Variables(origin="image", values={})),
    )
    difference = diff_sides(image, as_locked(lock))
    assert told(difference) == []
    assert {(each.subject, each.reason) for each in difference.unsaid} == {
        ("machine", "an image runs nowhere yet"),
        ("commit", "an image's files do not tell the commit"),
        ("data data/train.csv", "data is in no image"),
    }
    assert told(diff_sides(lock, image)) == []


def lock_of_image(lock_file: LockFile) -> Side:
    """Return an image of ours."""
    return Side(name=":v1", kind="image", lock=lock_file)


def test_an_image_of_ours_is_its_lock(tmp_path: Path) -> None:
    """All that two locks hold is compared, not only what a report could say."""
    lock = locked(tmp_path)
    assert lock.lock is not None
    difference = diff_sides(lock, lock_of_image(lock.lock))
    assert difference_text(difference) == "tf25 → :v1: the same lock\n"
    assert (difference.before_kind, difference.after_kind) == ("lock", "image")


def test_numbers(tmp_path: Path) -> None:
    """Probes that gave other numbers are told right after the frameworks; a lock holds none."""
    ana = reported(numerics=numerics(suite("numpy", probe("matmul", gave(1.0)), probe("exp", gave(2.0)))))
    ben = reported("ben.json", numerics=numerics(suite("numpy", probe("matmul", gave(1.5)), probe("exp", gave(2.0)))))
    difference = diff_sides(ana, ben)
    assert [(c.area, c.impact, c.before, c.after) for c in difference.changes] == [
        ("numerics", "results", "2 probes", "1 of 2 differ")
    ] * 2  # the canonical pass, and the configured one
    assert difference.changes[0].why.startswith("matmul. ")
    lock = locked(tmp_path)
    (numbers,) = (each for each in diff_sides(lock, ana).unsaid if each.subject == "numbers")
    assert (numbers.side, numbers.reason) == ("tf25", "a lock holds no numbers")


UNSEEN = Unknown(reason="it could not be seen")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"distributions": UNSEEN},
        {"distributions": (Installed(name="numpy", version=""), Installed(name="six", version="not a version"))},
        {"distributions": installed(numpy="1.19.5") * 2},
        {"interpreter": UNSEEN},
        {"interpreter": Interpreter(implementation="pypy", version="3.9", system="linux", machine="x86_64")},
        {"variables": None, "machine": None, "checkout": None, "inputs": {}},
        {"variables": UNSEEN, "machine": UNSEEN, "checkout": UNSEEN},
        {"machine": machine(cpu=UNSEEN, memory=UNSEEN, accelerators=UNSEEN)},
        {"variables": Variables(origin="shell", values={"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": ""})},
    ],
)
def test_whatever_is_unseen(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Nothing differs from itself; what changes one way changes the other way; what one side lacks is told."""
    side = reported(**changes)
    assert diff_sides(side, side).changes == ()
    for other in (reported("ben.json"), locked(tmp_path)):
        there, back = diff_sides(other, side), diff_sides(side, other)
        assert {(c.subject, c.before, c.after) for c in there.changes} == {
            (c.subject, c.after, c.before) for c in back.changes
        }
        assert unsaid(there) == unsaid(back)
        assert difference_text(there)
