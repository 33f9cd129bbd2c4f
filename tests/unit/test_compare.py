"""Reports compared: what differs is told in order of what it does to results, and what is unknown is never equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from envlock.cli.main import cli
from envlock.errors import UsageError
from envlock.formats.report import report_bytes
from envlock.model.comparison import Comparison, Disagreement
from envlock.model.machine import Accelerators
from envlock.model.observation import Interpreter, Variables
from envlock.model.report import Checkout, Installed, LockedAs, Source, Startup
from envlock.model.unknown import Unknown
from envlock.operations.compare import compare_opened, names_of
from envlock.operations.reports import Trust, open_reports
from envlock.report.comparison import comparison_json, comparison_text
from envlock.verify.comparison import compare_reports
from tests.unit.known_tables import known_tables as known_tables
from tests.unit.reports import COMMIT, PACKAGES, NobodySigns, gpu, installed, machine, report


def variables(**values: str) -> Variables:
    """Return variables of a shell."""
    return Variables(origin="shell", values=values)


def compared(**changes: Any) -> Comparison:
    """Compare a report with one that has these changes."""
    return compare_reports({"ana": report(), "ben": report(**changes)})


def only(comparison: Comparison) -> Disagreement:
    """Return the one thing that differs."""
    (found,) = comparison.disagreements
    return found


ANA = report(variables=variables(OMP_NUM_THREADS="8"))
BEN = report(
    distributions=installed(tensorflow="2.6.0", numpy="1.19.5", six="1.16.0", pip="24.0"),
    variables=variables(OMP_NUM_THREADS="4"),
)


@pytest.mark.usefixtures("known_tables")
def test_first_screen() -> None:
    """The framework comes first with what is known to change, then threads; tools are only counted."""
    text = comparison_text(compare_reports({"ana": ANA, "ben": BEN}))
    assert text == (
        """\
ana | ben: same commit 0a1b2c3d, same data (data/train.csv)

                      ana     ben
RESULTS   tensorflow  2.5.0   2.6.0
            RandomFlip and RandomContrast draw from another random number generator (stateless since
            2.6), and linalg.eigh differs by 1e-5.
            (3 of 171 probes differ; CPU, CPython 3.9, one thread; measured by envlock)
RESULTS   threads     8       4  by OMP_NUM_THREADS
            With another number of threads sums are taken in another order: matmul, conv3d,
            gradients and all training (24 of 171 probes differ; TensorFlow 2.5.0, from 1 to 2
            threads; measured by envlock).
compat    six         1.15.0  1.16.0
            It does no arithmetic of its own, but code that uses it may behave differently.
cosmetic  1 more: pip  (--verbose lists all)

Not compared
  ? files of packages: only versions are compared where files were not hashed  (envlock report
    --full)

next:  agree on one: envlock lock --from-venv .venv
       set one number of threads: export OMP_NUM_THREADS=4, or settings.threads in envlock.toml

2 reports: disagree (2 RESULTS, 1 compat, 1 cosmetic), 1 package the same
"""
    )


def test_equal_reports_agree() -> None:
    """Reports of one environment agree, made at whatever time and by whatever version of envlock."""
    comparison = compared(created="2027-01-01T00:00:00Z", envlock="2.0")
    assert (comparison.outcome, comparison.exit_code, comparison.packages) == ("agree", 0, 4)
    assert comparison.groups == (("ana", "ben"),)
    assert "agree in all that they hold" in comparison_text(comparison)


@pytest.mark.parametrize(
    ("changes", "area", "subject", "impact", "values"),
    [
        ({"checkout": Checkout(commit="9" * 40, dirty=False)}, "code", "commit", "results", ["0a1b2c3d", "99999999"]),
        ({"checkout": Checkout(commit=COMMIT, dirty=True)}, "code", "uncommitted changes", "results", ["none", "some"]),
        ({"inputs": {"data/train.csv": "e" * 64}}, "data", "data/train.csv", "results", ["d" * 12, "e" * 12]),
        ({"inputs": {"data/train.csv": None}}, "data", "data/train.csv", "results", ["d" * 12, "no such file"]),
        (
            {"interpreter": Interpreter(implementation="cpython", version="3.8.1", system="linux", machine="x86_64")},
            "python", "python", "results", ["3.9.18", "3.8.1"],
        ),
        (
            {"interpreter": Interpreter(implementation="cpython", version="3.9.2", system="linux", machine="x86_64")},
            "python", "python", "compat", ["3.9.18", "3.9.2"],
        ),
        ({"variables": variables(TF_ENABLE_ONEDNN_OPTS="1")}, "settings", "TF_ENABLE_ONEDNN_OPTS", "results",
         ["unset", "1"]),
        ({"variables": variables(OMP_NUM_THREADS="4")}, "settings", "threads", "results", ["8", "4"]),
        ({"variables": variables(ATEN_CPU_CAPABILITY="avx2")}, "settings", "ATEN_CPU_CAPABILITY", "cosmetic",
         ["unset", "avx2"]),
        ({"machine": machine(level="x86-64-v4")}, "cpu", "CPU level", "results", ["x86-64-v3", "x86-64-v4"]),
        ({"machine": machine(features=("aes", "avx2", "avx512f"))}, "cpu", "CPU features", "results",
         ["without", "avx512f"]),
        ({"machine": machine(cpus=4)}, "settings", "threads", "results", ["8", "4"]),
        ({"machine": machine(memory=64 << 30)}, "system", "memory", "cosmetic", ["16 GiB", "64 GiB"]),
        (
            {"machine": machine(accelerators=Accelerators(devices=(gpu(), gpu())))},
            "accelerator", "GPU", "results", ["none", "2 x NVIDIA A100-SXM4-40GB"],
        ),
        (
            {"distributions": (*PACKAGES, Installed(name="keras", version="2.6.0", installer="uv"))},
            "package", "keras", "results", ["not installed", "2.6.0"],
        ),
        ({"startup": (Startup(name="sitecustomize.py", sha256="a" * 64),)}, "startup", "sitecustomize.py", "security",
         ["not there", "a" * 12]),
        (
            {"distributions": tuple(replace(each, installer="pip") for each in PACKAGES)},
            "system", "installer", "cosmetic", ["uv", "pip"],
        ),
        (
            {"distributions": tuple(
                replace(each, source=Source(kind="directory", editable=True)) if each.name == "numpy" else each
                for each in PACKAGES
            )},
            "source", "numpy", "results", ["the index", "editable"],
        ),
    ],
)  # fmt: skip
def test_each_factor(changes: dict[str, Any], area: str, subject: str, impact: str, values: list[str]) -> None:
    """Each thing that a report holds is compared, told once, and ranked by what it does."""
    comparison = compared(**changes)
    found = only(comparison)
    assert (found.area, found.subject, found.impact) == (area, subject, impact)
    assert [group.value for group in found.groups] == values
    assert found.why
    assert comparison.exit_code == (0 if impact == "cosmetic" else 1)


def test_order() -> None:
    """Code and data come before packages, packages before settings, whatever their names."""
    comparison = compared(
        checkout=Checkout(commit="9" * 40, dirty=False),
        inputs={"data/train.csv": "e" * 64},
        distributions=BEN.distributions,
        variables=variables(OMP_NUM_THREADS="4"),
        machine=machine(level="x86-64-v4"),
    )
    assert [each.subject for each in comparison.disagreements] == [
        "commit", "data/train.csv", "tensorflow", "threads", "CPU level", "six", "pip",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "subject", "failed"),
    [
        ({"machine": machine(accelerators=Unknown(reason="NVML fails"))}, "GPU", True),
        ({"machine": Unknown(reason="no /proc")}, "machine", True),
        ({"machine": None}, "machine", False),
        ({"variables": None}, "settings", False),
        ({"distributions": Unknown(reason="no answer"), "interpreter": Unknown(reason="no answer")}, "packages", True),
        ({"checkout": None}, "commit", False),
        ({"inputs": {}}, "data data/train.csv", False),
    ],
)
def test_unknown_is_never_equal(changes: dict[str, Any], subject: str, failed: bool) -> None:
    """What one report does not say is told as not compared; what it could not see keeps the reports from agreeing."""
    both = compare_reports({"ana": report(**changes), "ben": report(**changes)})
    one = compared(**changes)
    for comparison in (both, one):
        told = [each for each in comparison.unseen if each.subject != "files of packages"]
        assert any(each.subject in subject or subject in each.subject for each in told), told
        if comparison.outcome != "disagree":
            assert comparison.exit_code == (3 if failed else 0)
        assert "Not compared" in comparison_text(comparison)


def test_values_that_reports_hide() -> None:
    """A folder outside of the project is told as there; two of them are never called the same."""
    hidden = report(variables=variables(PYTHONPATH="<elsewhere>"))
    one = compare_reports({"ana": report(), "ben": hidden})
    assert [group.value for group in only(one).groups] == ["unset", "<elsewhere>"]
    assert only(one).impact == "security"
    both = compare_reports({"ana": hidden, "ben": hidden})
    assert next((each.subject, each.reports) for each in both.unseen) == ("PYTHONPATH", ("ana", "ben"))


def test_packages_nobody_saw_are_not_missing() -> None:
    """A report that could not see its packages does not say that they are not installed."""
    comparison = compared(distributions=Unknown(reason="no answer"))
    assert [each for each in comparison.disagreements if each.area == "package"] == []
    assert comparison.packages == 0


def test_both_have_uncommitted_changes() -> None:
    """Two dirty work trees at one commit may hold anything: it is said, and not called the same code."""
    dirty = Checkout(commit=COMMIT, dirty=True)
    comparison = compare_reports({"ana": report(checkout=dirty), "ben": report(checkout=dirty)})
    assert "uncommitted changes" in [each.subject for each in comparison.unseen]
    assert comparison.shared[0] == "same commit 0a1b2c3d, with uncommitted changes"


def hashed(*digests: str, version: str = "1.19.5") -> dict[str, Any]:
    """Return the changes of a report whose numpy was hashed."""
    return {"full": True, "distributions": (Installed(name="numpy", version=version, contents=digests),)}


def test_files_of_one_version() -> None:
    """The same version with other bytes is told; one reading in common is the same."""
    a, b, c = "a" * 64, "b" * 64, "c" * 64
    found = only(compare_reports({"ana": report(**hashed(a)), "ben": report(**hashed(b))}))
    assert (found.area, found.subject, found.impact) == ("files", "numpy 1.19.5", "results")
    reports = {"ana": report(**hashed(a, b)), "ben": report(**hashed(b, c)), "carl": report(**hashed(c))}
    assert compare_reports(reports).disagreements == ()
    reports = {"ana": report(**hashed(a)), "ben": report(**hashed(b, version="1.20.0"))}
    assert [each.area for each in compare_reports(reports).disagreements] == ["package"]
    half = compare_reports({"ana": report(**hashed(a)), "ben": report(**hashed())})
    assert [(each.subject, each.reports) for each in half.unseen] == [("files of numpy", ("ben",))]
    assert half.exit_code == 3


def test_what_to_do_next() -> None:
    """One lock on all: install it. Locks of one name: bring them together. No lock: make one."""
    lock = LockedAs(env="tf25", digest="a" * 64)
    other = LockedAs(env="tf25", digest="b" * 64)

    def steps(one: LockedAs | None, two: LockedAs | None) -> str:
        return compare_reports({"ana": replace(ANA, lock=one), "ben": replace(BEN, lock=two)}).fix[0]

    assert steps(lock, lock) == "install what is locked, on each: envlock sync tf25 && envlock verify tf25"
    assert steps(lock, other) == "bring the locks together (git pull), then on each: envlock sync tf25"
    variable = report(variables=variables(TF_ENABLE_ONEDNN_OPTS="1"))
    assert compare_reports({"ana": report(), "ben": variable}).fix == (
        "set TF_ENABLE_ONEDNN_OPTS for all: settings.env in envlock.toml, and start with envlock run",
    )
    assert steps(lock, None) == steps(None, None) == "agree on one: envlock lock --from-venv .venv"


def test_many_reports_in_groups() -> None:
    """More reports than fit in columns are told by what they say, the largest group first, and parted."""
    reports = {f"node{number}": BEN if number == 3 else ANA for number in range(6)}
    comparison = compare_reports(reports)
    text = comparison_text(comparison)
    assert "  2.5.0  5: node0, node1, node2 and 2 more\n" in text
    assert "  2.6.0  1: node3\n" in text
    assert text.startswith("6 reports: same commit")
    assert "6 reports: disagree in 2 groups (" in text
    assert comparison.groups == (("node0", "node1", "node2", "node4", "node5"), ("node3",))


def test_hostile_values_steer_no_terminal() -> None:
    """Control characters of a report are escaped, and long values have lines of their own."""
    reports = {
        "ana": replace(ANA, distributions=installed(numpy="1\x1b[31m\n2: match")),
        "ben": replace(BEN, distributions=installed(numpy="3" * 500)),
    }
    text = comparison_text(compare_reports(reports))
    assert "\x1b" not in text
    assert r"1\x1b[31m\n2: match" in text


@pytest.mark.usefixtures("known_tables")
def test_json(tmp_path: Path) -> None:
    """JSON holds everything that the text shows, under a schema."""
    document = json.loads(comparison_json(compare_reports({"ana": ANA, "ben": BEN})))
    assert (document["schema"], document["exit_code"], document["outcome"]) == (1, 1, "disagree")
    assert document["disagreements"][0]["subject"] == "tensorflow"
    assert document["disagreements"][0]["facts"][0]["differ"] == 3
    assert document["disagreements"][0]["groups"] == [
        {"value": "2.5.0", "reports": ["ana"]},
        {"value": "2.6.0", "reports": ["ben"]},
    ]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["ana.json", "ben.json"], ("ana", "ben")),
        (["a/report.json", "b/report.json", "x.json"], ("a/report", "b/report", "x")),
        (["one/a/r.json", "two/a/r.json"], ("one/a/r", "two/a/r")),
        (["x.json", "x.json"], ("x", "x (2)")),
        (["bad\n.json", "b.json"], ("bad\\n", "b")),
    ],
)
def test_names_of_columns(paths: list[str], names: tuple[str, ...]) -> None:
    """Columns are called by the files' stems, and by as much of their folders as tells them apart."""
    assert names_of([Path(path) for path in paths]) == names


def test_command(tmp_path: Path) -> None:
    """The command answers 0, 1 or 2, in text or JSON; one report is bad input."""
    for name, each in (("ana", ANA), ("again", ANA), ("ben", BEN)):
        (tmp_path / f"{name}.json").write_bytes(report_bytes(each))
    again, ana, ben = str(tmp_path / "again.json"), str(tmp_path / "ana.json"), str(tmp_path / "ben.json")

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["compare", *arguments], standalone_mode=False)

    same, other, quiet = run(ana, again), run(ana, ben), run("--json", ana, ben)
    assert (same.return_value, other.return_value, quiet.return_value) == (0, 1, 1)
    assert "RESULTS   tensorflow" in other.output
    assert json.loads(quiet.output)["outcome"] == "disagree"
    (tmp_path / "bad.json").write_text("{}")
    for arguments in ((ana,), (ana, str(tmp_path / "bad.json")), (ana, str(tmp_path / "gone.json"))):
        assert isinstance(run(*arguments).exception, UsageError)


def test_environment_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment stands for the reports that the project keeps of it, and is no image of a registry."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "envlock.toml").write_text('[env.train]\npython = "3.11"\ndependencies = ["numpy"]\n')

    def run() -> Any:
        return CliRunner().invoke(cli, ["compare", "train"], standalone_mode=False)

    missing = run().exception
    assert isinstance(missing, UsageError)
    assert (missing.reference, missing.found) == ("no-report", "train")
    kept = tmp_path / "lockfiles" / "reports" / "train"
    kept.mkdir(parents=True)
    for name, each in (("ana", ANA), ("ben", BEN)):
        (kept / f"{name}.json").write_bytes(report_bytes(each))
    assert run().return_value == 1


def test_files_are_read_in_order(tmp_path: Path) -> None:
    """A thousand reports would be one pass: here, several files come back in the order they were given."""
    paths = []
    for name in ("c", "a", "b"):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_bytes(report_bytes(report()))
    assert compare_opened(open_reports(paths, Trust(signatures=NobodySigns()))).reports == ("c", "a", "b")


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": {"d": "a" * 12 + "c" * 52}},
        {"startup": (Startup(name="z.pth", sha256="a" * 12 + "c" * 52),)},
        {"checkout": Checkout(commit="a" * 12 + "c" * 28, dirty=False)},
        {"variables": Variables(origin="shell", values={"TF_DETERMINISTIC_OPS": "unset"})},
        {"distributions": installed(numpy="not installed")},
    ],
)
def test_what_only_looks_equal_is_not(changes: dict[str, Any]) -> None:
    """Whole digests are compared, however few digits are shown; no value passes for the words for its absence."""
    plain = {
        "inputs": {"d": "a" * 12 + "b" * 52},
        "startup": (Startup(name="z.pth", sha256="a" * 12 + "b" * 52),),
        "checkout": Checkout(commit="a" * 12 + "b" * 28, dirty=False),
        "variables": Variables(origin="shell", values={}),
        "distributions": (),
    }
    before = report(**{name: plain[name] for name in changes})
    (found,) = compare_reports({"ana": before, "ben": report(**changes)}).disagreements
    assert len({group.value for group in found.groups}) == 2


def test_order_within_a_report_says_nothing() -> None:
    """Reports that list the same things in another order agree, a distribution that is there twice included."""
    rows = tuple(Installed(name="a", version=version, source=Source(kind="vcs")) for version in "12")
    turned = compare_reports({"ana": report(distributions=rows), "ben": report(distributions=rows[::-1])})
    assert turned.disagreements == ()
    gone = compare_reports({"ana": report(distributions=rows), "ben": report(distributions=())})
    assert all(group.reports in (("ana",), ("ben",)) for each in gone.disagreements for group in each.groups)


def test_features_that_nobody_told_are_unknown() -> None:
    """No features told is neither equal to none told nor different from some, and fails nothing."""
    silent = report(machine=machine(features=()))
    for other in (silent, report()):
        comparison = compare_reports({"ana": silent, "ben": other})
        assert comparison.disagreements == ()
        assert any("CPU features" in each.subject and not each.failed for each in comparison.unseen)


def test_columns_of_wide_names_stay_aligned() -> None:
    """Characters that take two columns are counted as two."""
    old, new = report(distributions=installed(numpy="1.26.4")), report(distributions=installed(numpy="2.0.0"))
    lines = comparison_text(compare_reports({"漢字漢字": old, "ben": new})).splitlines()
    heading = next(line for line in lines if line.endswith("ben"))
    row = next(line for line in lines if line.endswith("2.0.0"))
    assert heading.index("ben") + 4 == row.index("2.0.0")
