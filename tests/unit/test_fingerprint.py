"""Which fingerprint is meant, what a class of hardware is called, what is kept, and numbers as a part of `verify`."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
from msgspec.structs import replace

from envlock.adapters.probing import PythonProbing
from envlock.cli.fingerprint import _tell as tell_fingerprint
from envlock.cli.fingerprint import command
from envlock.cli.targets import default_target
from envlock.errors import EnvlockError, UsageError
from envlock.formats.fingerprint import fingerprint_bytes, read_fingerprint
from envlock.model.finding import Finding, Nature, Summary, Verdict, judge
from envlock.model.hardware import AcceleratorClass, HardwareClass
from envlock.model.lock import Lock, LockFile
from envlock.model.machine import Machine
from envlock.model.numerics import Answer, Fingerprint, Numerics, Suite
from envlock.model.observation import Environment, Interpreter, Layout, Observation
from envlock.model.terms import Terms
from envlock.model.unknown import Unknown
from envlock.observe.installed import observe_installed
from envlock.observe.probe_pass import PATIENCE
from envlock.operations.expected_numbers import class_for, classes_in, expected_numbers, hardware_name
from envlock.operations.fingerprint import failures, fingerprint_of, keep_fingerprint, refuse_other
from envlock.operations.numerics import Numbers, Questions, Stage, sources_of, with_numbers
from envlock.operations.run import other_numbers
from tests.unit.machines import replay
from tests.unit.numerics import MACHINE, demo_lock, failed, fingerprint, gave, numerics, probe, suite
from tests.unit.venvs import lock_of
from tests.unit.wheels import make_wheel

CPUS = {"cluster": HardwareClass(cpu_level=">=x86-64-v3"), "small": HardwareClass(cpu_level="==x86-64-v2")}
GPU = HardwareClass(accelerator=AcceleratorClass(kind="nvidia"))


def lock_with(folder: Path, classes: Mapping[str, HardwareClass] | None = None) -> LockFile:
    made = lock_of([make_wheel(folder, "numpy")])
    return replace(made, lock=replace(made.lock, hardware=dict(classes or {})))


def kept(folder: Path, name: str, lock: str = "ab" * 32) -> Fingerprint:
    """Write a fingerprint of a class."""
    made = replace(fingerprint(numerics(suite("numpy", probe("numpy.a.b", gave(1.0)))), lock), hardware=name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_bytes(fingerprint_bytes(made))
    return made


def stage(
    place: PythonProbing | None = None, machine: Machine = MACHINE, environ: Mapping[str, str] | None = None
) -> Stage:
    interpreter = Interpreter(implementation="cpython", version="3.11.9", system="linux", machine="x86_64")
    layout = Layout(prefix="/v", sites=(), scripts="/v/bin", data="/v")
    return Stage(
        place=place or PythonProbing(Path(sys.executable)),
        environ=environ or {},
        environment=Environment(interpreter=interpreter, layout=layout, distributions=(), files={}),
        machine=machine,
    )


def test_the_fingerprint_of_the_machine_s_class_is_meant(tmp_path: Path) -> None:
    """The lock's first class that it is of, then its CPU's level; of several that fit, one of this lock."""
    lock = lock_with(tmp_path, CPUS).lock
    folder = tmp_path / "fingerprints"
    kept(folder, "small")
    generic = kept(folder, "x86-64-v4", "cd" * 32)
    assert expected_numbers(lock, "ab" * 32, MACHINE, folder) == generic
    own = kept(folder, "cluster")
    assert expected_numbers(lock, "ab" * 32, MACHINE, folder) == own
    assert expected_numbers(lock, "cd" * 32, MACHINE, folder) == generic
    assert expected_numbers(lock, "ab" * 32, MACHINE, folder, on="small").hardware == "small"  # type: ignore[union-attr]
    assert classes_in(folder) == ("cluster", "small", "x86-64-v4")


def test_the_only_fingerprint_is_meant_wherever_it_was_made(tmp_path: Path) -> None:
    """With two of other machines nobody knows which, and both are named with the command."""
    lock = lock_with(tmp_path).lock
    folder = tmp_path / "fingerprints"
    assert expected_numbers(lock, "ab" * 32, MACHINE, folder).reason == "none was made yet"  # type: ignore[union-attr]
    only = kept(folder, "x86-64-v3")
    assert expected_numbers(lock, "ab" * 32, MACHINE, folder) == only
    assert expected_numbers(lock, "ab" * 32, None, folder) == only
    kept(folder, "aarch64")
    found = expected_numbers(lock, "ab" * 32, MACHINE, folder)
    assert isinstance(found, Unknown)
    assert found.reason == "there is none of x86-64-v4; there are aarch64, x86-64-v3"
    assert found.hint.startswith("envlock verify demo --numerics --against aarch64 ")


def test_a_named_fingerprint(tmp_path: Path) -> None:
    """By class or file; one that is not there is a mistake of whoever named it, one that cannot be used is unknown."""
    lock = lock_with(tmp_path, CPUS).lock
    folder = tmp_path / "fingerprints"
    one = kept(folder, "x86-64-v3")

    def named(against: str) -> Fingerprint | Unknown:
        return expected_numbers(lock, "ab" * 32, MACHINE, folder, against=against)

    assert named("x86-64-v3") == named(str(folder / "x86-64-v3.json")) == one
    assert named("small") == Unknown(
        reason="there is none of small; there are x86-64-v3",
        hint="envlock verify demo --numerics --against x86-64-v3   "
        "(or make one of this machine: envlock fingerprint demo)",
    )
    with pytest.raises(UsageError, match="no-fingerprint") as caught:
        named("x86-64-v")
    assert caught.value.hint == "Did you mean 'x86-64-v3'?"
    with pytest.raises(UsageError, match="no-fingerprint"):
        named("nowhere/x.json")
    (tmp_path / "x.json").write_text("{}")
    unusable = named(str(tmp_path / "x.json"))
    assert isinstance(unusable, Unknown) and unusable.hint == "Make one: envlock fingerprint demo"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "x86-64-v4.json: This is no fingerprint of envlock. (an empty file)"),
        (
            b'{"schema": 2, "numerics": {}}',
            "x86-64-v4.json: This is a fingerprint of another version of envlock. (schema 2)",
        ),
        (b"<<<<<<< HEAD\n", "x86-64-v4.json: This is no fingerprint of envlock. (an unfinished merge)"),
    ],
)
def test_a_fingerprint_that_cannot_be_used_is_unknown(tmp_path: Path, raw: bytes, reason: str) -> None:
    """Another schema, an unfinished merge, nothing: a reason, never a pass."""
    folder = tmp_path / "fingerprints"
    folder.mkdir()
    (folder / "x86-64-v4.json").write_bytes(raw)
    for against in ("", "x86-64-v4"):
        found = expected_numbers(lock_with(tmp_path).lock, "ab" * 32, MACHINE, folder, against=against)
        assert isinstance(found, Unknown)
        assert found.reason == reason


@pytest.mark.parametrize(
    ("machine", "cpu_only", "with_gpu"),
    [
        ("a100", "x86-64-v4", "x86-64-v4-a100-sxm4-40gb"),
        ("a100-mig", "x86-64-v4", "x86-64-v4-a100-sxm4-40gb-mig-1g.5gb"),
        ("h100-8", "x86-64-v4", "x86-64-v4-h100-80gb-hbm3"),
        ("apple-m1", "armv8.5a-macos", "armv8.5a-macos"),
    ],
)
def test_hardware_is_called_by_what_it_is(tmp_path: Path, machine: str, cpu_only: str, with_gpu: str) -> None:
    """The CPU's level, the system where it is not Linux, and the accelerator if the lock has to do with any."""
    seen = replay(machine)
    assert hardware_name(lock_with(tmp_path).lock, seen) == cpu_only
    assert hardware_name(lock_with(tmp_path, {"g": GPU}).lock, seen) == with_gpu


def test_a_class_that_the_machine_is_not_of_is_refused(tmp_path: Path) -> None:
    """The name says whose numbers they are."""
    lock = lock_with(tmp_path, CPUS).lock
    assert class_for(lock, MACHINE) == class_for(lock, MACHINE, "cluster") == "cluster"
    assert class_for(lock_with(tmp_path).lock, MACHINE) == "x86-64-v4"
    with pytest.raises(UsageError, match="other-class"):
        class_for(lock, MACHINE, "small")
    with pytest.raises(UsageError, match="unknown-class"):
        class_for(lock, MACHINE, "smal")


def test_gpu_probes_are_for_machines_and_locks_with_gpus(tmp_path: Path) -> None:
    """And for fingerprints that have such numbers; a variable that hides all devices hides them here too."""
    made = lock_of([make_wheel(tmp_path, "torch")])
    plain, gpu = made.lock, replace(made.lock, hardware={"g": GPU})
    questions = Questions(targets={}, folder=tmp_path)
    known = numerics(Suite(framework="torch", device="gpu", loaded="ok", source="0" * 64))

    def devices(lock: Lock, machine: str, expected: Numerics | None = None, **environ: str) -> list[str]:
        seen = stage(machine=replay(machine), environ=environ)
        return [source.device for source in sources_of(lock, seen, questions, expected)]

    assert devices(gpu, "a100") == devices(plain, "a100", known) == ["cpu", "gpu"]
    assert devices(plain, "a100") == devices(gpu, "apple-m1") == ["cpu"]
    assert devices(gpu, "a100", CUDA_VISIBLE_DEVICES="") == ["cpu"]


def test_what_gave_no_result() -> None:
    """Once for both passes where it is the same; noise of built-in probes with all threads is known and no failure."""
    bad = failed("raised", "ValueError: no")
    found = numerics(
        suite(
            "numpy",
            probe("numpy.a.good", gave(1.0)),
            probe("numpy.a.race", gave(1.0), failed("noisy", "two runs in one process differ")),
            probe("numpy.a.bad", bad),
            probe("numpy.a.late", gave(1.0), failed("hung", "it said nothing for 3 s")),
        ),
        suite("project", probe("mine", gave(1.0), failed("noisy", "two processes differ"))),
        Suite(framework="torch", loaded="missing", reason="No module named 'torch'", source="0" * 64),
    )
    assert [failure.said for failure in failures(found)] == [
        "numpy.a.bad: raised, ValueError: no",
        "numpy.a.late (as configured): hung, it said nothing for 3 s",
        "mine (as configured): noisy, two processes differ",
        "torch: missing, No module named 'torch'",
    ]


def test_what_becomes_of_the_one_before(tmp_path: Path) -> None:
    """git shows each answer; the command says how many differ."""
    path = tmp_path / "fingerprints" / "x86-64-v4.json"
    one = fingerprint(numerics(suite("numpy", probe("numpy.a.b", gave(1.0)))), "ab" * 32)
    other = fingerprint(numerics(suite("numpy", probe("numpy.a.b", gave(2.0)))), "ab" * 32)
    assert keep_fingerprint(one, path) == "new"
    assert keep_fingerprint(one, path) == "unchanged"
    assert keep_fingerprint(other, path) == "in place of one, 1 probe of which had other numbers"
    assert keep_fingerprint(replace(other, lock="cd" * 32), path) == "in place of one of another lock, same numbers"
    assert read_fingerprint(path).lock == "cd" * 32
    path.write_text("?")
    assert keep_fingerprint(one, path) == "in place of a file that was no fingerprint"
    assert [each.name for each in path.parent.iterdir()] == ["x86-64-v4.json"]


def _judged(nature: Nature | None) -> Verdict:
    finding = Finding(
        rule="package-version",
        family="PKG",
        nature=nature or "drift",
        severity="error" if nature else "warning",
        impact="results",
        subject="numpy",
        expected="1.26.4",
        found="2.0.0",
        why="",
        fix="",
    )
    return judge(Summary(env="demo", lock_digest="ab", target=".venv", mode="quick"), [finding])


@pytest.mark.parametrize(("nature", "code"), [("drift", 1), ("unknown", 3), ("integrity", 4)])
def test_only_the_locked_environment_is_fingerprinted(nature: Nature, code: int) -> None:
    """Its numbers would be told to be the lock's; a warning is none of this."""
    refuse_other(_judged(None), "envlock sync demo")
    with pytest.raises(EnvlockError) as caught:
        refuse_other(_judged(nature), "envlock sync demo")
    error = caught.value
    assert (error.reference, error.exit_code) == ("not-the-locked", code)
    assert (error.expected, error.found, error.hint) == ("numpy 1.26.4", "2.0.0", "envlock sync demo")


@pytest.fixture
def project(tmp_path: Path) -> Questions:
    """A project with one probe, that works in its folder and answers what a file there says."""
    (tmp_path / "checks.py").write_text("def answer():\n    return float(open('answer').read())\n")
    (tmp_path / "answer").write_text("1.5")
    return Questions(targets={"answer": "checks:answer"}, folder=tmp_path, patience=30)


def test_numbers_of_a_verification(project: Questions, tmp_path: Path) -> None:
    """They are run and held against the fingerprint of this lock; of another one they are not even run."""
    lock = demo_lock(tmp_path)
    folder = tmp_path / "fingerprints"
    made = fingerprint_of(lock, stage(), project)
    assert (made.hardware, made.lock, len(made.numerics.suites)) == ("x86-64-v4", lock.digest, 1)
    keep_fingerprint(made, folder / "x86-64-v4.json")
    seen = Observation(target=".venv", full=False, environment=None)
    numbers = Numbers(stage=lambda _: contextlib.nullcontext(stage()), questions=project, fingerprints=folder)
    observed, terms = with_numbers(lock, seen, Terms(), numbers)
    assert isinstance(terms.fingerprint, Fingerprint)
    assert observed.numerics == terms.fingerprint.numerics
    (tmp_path / "answer").write_text("2.5")
    observed, _ = with_numbers(lock, seen, Terms(), dataclasses.replace(numbers, explain=True))
    assert [each.factor for each in observed.explanations] == ["unexplained"]
    keep_fingerprint(replace(made, lock="cd" * 32), folder / "x86-64-v4.json")
    observed, terms = with_numbers(lock, seen, Terms(), numbers)
    assert observed.numerics is None
    assert isinstance(terms.fingerprint, Fingerprint)


def test_a_stage_that_cannot_be_opened_is_unknown(project: Questions, tmp_path: Path) -> None:
    """Nothing was computed, which is no pass."""
    why = Unknown(reason="the probes were not run: no python")
    numbers = Numbers(stage=lambda _: contextlib.nullcontext(why), questions=project, fingerprints=tmp_path / "none")
    seen = Observation(target=".venv", full=False, environment=None)
    observed, terms = with_numbers(demo_lock(tmp_path), seen, Terms(), numbers)
    assert observed.numerics == why
    assert isinstance(terms.fingerprint, Unknown)


def test_a_python_that_is_not_there(project: Questions, tmp_path: Path) -> None:
    """The fingerprint is refused with the reason, and a lock without probes too."""
    gone = stage(PythonProbing(tmp_path / "python"))
    with pytest.raises(EnvlockError) as caught:
        fingerprint_of(demo_lock(tmp_path), gone, project)
    assert (caught.value.reference, caught.value.exit_code) == ("interpreter-failed", 3)
    with pytest.raises(UsageError, match="no-probes"):
        fingerprint_of(demo_lock(tmp_path), gone, Questions(targets={}, folder=tmp_path))


def test_what_is_installed_is_told_by_the_python_there() -> None:
    """Names and versions in the order of sys.path, as importlib finds them."""
    import msgspec

    found = observe_installed(PythonProbing(Path(sys.executable)), {})
    assert isinstance(found, Environment)
    assert isinstance(found.interpreter, Interpreter)
    assert found.interpreter.version == ".".join(map(str, sys.version_info[:3]))
    assert found.imported()["msgspec"][0].version == msgspec.__version__
    found = observe_installed(PythonProbing(Path("/nowhere/python")), {})
    assert isinstance(found, Unknown)


@pytest.mark.parametrize(
    ("answer", "kept", "told"),
    [
        (gave(1.0), True, "next: git add fp.json; elsewhere: envlock verify demo --numerics"),
        (gave(1.0), False, "next, elsewhere: envlock verify demo --against fp.json"),
        (failed("raised", "ValueError: no"), True, "next: mend these probes; then again: envlock fingerprint demo"),
    ],
)
def test_what_to_do_next(answer: Answer, capsys: pytest.CaptureFixture[str], *, kept: bool, told: str) -> None:
    """Git and the other machine; a probe of the project that gave no result is to be mended before."""
    made = replace(fingerprint(numerics(suite("project", probe("mine", answer))), "ab" * 32), env="demo")
    ctx = click.Context(command, obj={"quiet": False})
    tell_fingerprint(ctx, made, Path("fp.json"), "new", failures(made.numerics), kept=kept)
    assert capsys.readouterr().out.splitlines()[-1] == f"  {told}"


def test_threads_of_the_shell_are_told_where_the_lock_has_none(tmp_path: Path) -> None:
    """`envlock run` passes them on, a fingerprint says so: elsewhere the numbers as configured will be others."""
    lock = lock_with(tmp_path).lock
    environ = {"OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell", "HOME": "/"}
    assert other_numbers(lock, environ) == ("OPENBLAS_CORETYPE",)
    assert other_numbers(lock, environ, threads=True) == ("OMP_NUM_THREADS", "OPENBLAS_CORETYPE")
    fixed = replace(lock, settings=replace(lock.settings, threads=1))
    assert other_numbers(fixed, environ, threads=True) == ("OPENBLAS_CORETYPE",)


def test_without_an_environment_it_says_which_to_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option for an image is the command's own."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    with pytest.raises(UsageError, match="no-target") as caught:
        default_target(tmp_path / ".venv", "run probes in", "--in-image")
    assert caught.value.what == "There is nothing to run probes in yet."
    assert "--in-image" in caught.value.hint


def test_patience_is_what_the_help_says() -> None:
    """The default of the option is that of the operations, which are imported too late to be asked."""
    (option,) = (each for each in command.params if each.name == "patience")
    assert option.default == PATIENCE
