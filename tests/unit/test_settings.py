"""Settings: judged where envlock or an image sets them, told in a plain shell; threads, affinity, paths, libraries."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from envlock.model.factors import variables_of
from envlock.model.finding import Finding
from envlock.model.lock import ImageConfig, LockFile, Package, Settings
from envlock.model.machine import Accelerators, Cpu, Machine
from envlock.model.observation import Observation, Unknown, Variables
from envlock.model.terms import Terms
from envlock.verify.case import Case
from envlock.verify.judgement import verdict_of
from envlock.verify.rules import preload, python_path, threads_count, variable_unset, variable_value
from tests.unit.venvs import Venv, demo_wheel, lock_of, locked_package

Origin = Literal["shell", "run", "image", "container"]
RULES = (variable_value, variable_unset, threads_count, python_path, preload)
SETTINGS = Settings(threads=4, env={"PYTHONHASHSEED": "0", "TF_ENABLE_ONEDNN_OPTS": "0", "MODE": "train"})


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """Some package, to be called like one that reads variables."""
    return locked_package(demo_wheel(tmp_path))


def machine(threads: int = 8, affinity: int | None = None, quota: float | None = None) -> Machine:
    return Machine(
        system="linux",
        cpu=Cpu(architecture="x86_64", threads=threads, affinity=affinity, quota=quota),
        memory=16 << 30,
        accelerators=Accelerators(),
    )


def lock(*names: str, package: Package | None = None, **options: Any) -> LockFile:
    packages = [replace(package, name=name) for name in names] if package else []
    return lock_of(packages=packages, **options)


def found(
    lock_file: LockFile,
    variables: Mapping[str, str],
    origin: Origin = "run",
    *,
    on: Machine | Unknown | None = None,
    terms: Terms | None = None,
    folder: str = "/p",
) -> list[Finding]:
    """Return what the rules of settings find, in the order of the rules."""
    seen = variables_of(variables, origin, folder=folder, locked=lock_file.lock.settings.variables)
    observation = Observation(target=".venv", full=False, environment=None, machine=on, variables=seen)
    case = Case(lock_file, observation, terms=terms)
    return [finding for rule in RULES for finding in rule.check(case)]


def rows(findings: list[Finding]) -> list[str]:
    return [f"{row.severity} {row.rule} {row.subject}: {row.expected} → {row.found}" for row in findings]


def test_the_locked_settings_are_no_finding() -> None:
    """As `envlock run` sets them."""
    lock_file = lock(settings=SETTINGS)
    assert found(lock_file, SETTINGS.variables, on=machine()) == []
    assert found(lock(), {}, on=machine()) == []


def test_another_value_is_drift_where_it_is_judged() -> None:
    """Each with what is known of it; the value of what is no factor may be a secret and is not shown."""
    lock_file = lock(settings=SETTINGS)
    here = SETTINGS.variables | {"TF_ENABLE_ONEDNN_OPTS": "1", "MODE": "hunter2"}
    del here["PYTHONHASHSEED"]
    findings = found(lock_file, here, on=machine())
    assert rows(findings) == [
        "error variable-value MODE: train → <another value>",
        "error variable-value PYTHONHASHSEED: 0 → not set",
        "error variable-value TF_ENABLE_ONEDNN_OPTS: 0 → 1",
    ]
    assert [row.impact for row in findings] == ["compat", "results", "results"]
    assert "oneDNN" in findings[2].why
    assert findings[0].fix == "envlock run demo -- …"
    softer = lock(settings=SETTINGS, policy="compatible")
    assert {row.severity for row in found(softer, here, on=machine())} == {"warning"}


def test_a_plain_shell_is_only_told() -> None:
    """Once where nothing is set, and each value that differs: `envlock run` sets them all."""
    lock_file = lock(settings=SETTINGS)
    assert rows(found(lock_file, {}, "shell", on=machine())) == [
        "info variable-value settings: MKL_NUM_THREADS, MODE, OMP_NUM_THREADS and 5 more → not set in this shell"
    ]
    assert rows(found(lock_file, {"OMP_NUM_THREADS": "2", "MODE": "test"}, "shell", on=machine())) == [
        "info variable-value MODE: train → <another value>",
        "info threads-count threads: 4 → OMP_NUM_THREADS=2",
    ]


def test_a_class_that_is_asked_for_judges_a_plain_shell_too() -> None:
    """With --on the machine is meant to compute as it is."""
    findings = found(lock(settings=Settings(env={"A": "1"})), {}, "shell", terms=Terms(on="a100"))
    assert rows(findings) == ["error variable-value A: 1 → not set"]


def test_variables_that_could_not_be_seen_are_unknown() -> None:
    """Never a pass: an error where they are judged, and nothing where the lock sets none."""
    observation = Observation(
        target="c", full=False, environment=None, variables=Unknown(reason="the container is gone", hint="Start it.")
    )
    lock_file = lock(settings=Settings(threads=2))
    (finding,) = variable_value.check(Case(lock_file, observation, terms=Terms(on="a100")))
    assert (finding.nature, finding.severity, finding.found) == ("unknown", "error", "the container is gone")
    assert [row.severity for row in variable_value.check(Case(lock_file, observation))] == ["info"]
    assert list(variable_value.check(Case(lock(), observation, terms=Terms(on="a100")))) == []


def test_an_images_own_variables_are_expected_in_it() -> None:
    """Those of [env.NAME.image] env beside the settings, which go before them; none of them in a venv."""
    settings = Settings(env={"A": "1"})
    config = ImageConfig(env={"A": "0", "LD_LIBRARY_PATH": "/opt/lib", "PYTHONPATH": "/app/src"})
    plain = lock(settings=settings)
    lock_file = LockFile(lock=replace(plain.lock, image=config), raw=plain.raw)
    inside = {"A": "1", "LD_LIBRARY_PATH": "/opt/lib", "PYTHONPATH": "/app/src"}
    seen = Variables(origin="image", values=inside)
    observation = Observation(target="i", full=False, environment=None, variables=seen)
    assert [row for rule in RULES for row in rule.check(Case(lock_file, observation))] == []
    other = replace(observation, variables=replace(seen, values=inside | {"PYTHONPATH": "/x", "LD_LIBRARY_PATH": "/y"}))
    assert rows([row for rule in RULES for row in rule.check(Case(lock_file, other))]) == [
        "error variable-value LD_LIBRARY_PATH: /opt/lib → /y",
        "error variable-value PYTHONPATH: /app/src → /x",
    ]
    empty = lock(settings=settings)
    assert rows([row for rule in RULES for row in rule.check(Case(empty, observation))]) == [
        "warning python-path PYTHONPATH: not set → /app/src",
        "warning preload LD_LIBRARY_PATH: not set → /opt/lib",
    ]


def test_a_report_holds_known_variables_alone() -> None:
    """Of others nothing is known; what is private was taken out of both sides."""
    env = {"MODE": "train", "XLA_FLAGS": "--xla_dump_to=/tmp/x", "TF_DETERMINISTIC_OPS": "1"}
    seen = Variables(origin="report", values={"XLA_FLAGS": "--xla_dump_to=<path>", "TF_DETERMINISTIC_OPS": "0"})
    observation = Observation(target="r", full=False, environment=None, variables=seen)
    case = Case(lock(settings=Settings(env=env)), observation, terms=Terms(on="a100"))
    assert [(row.subject, row.nature, row.severity) for row in variable_value.check(case)] == [
        ("MODE", "unknown", "info"),
        ("TF_DETERMINISTIC_OPS", "drift", "error"),
    ]


def test_a_variable_that_is_not_locked_is_drift_for_its_readers(package: Package) -> None:
    """OPENBLAS_CORETYPE changes NumPy; a lock without NumPy has no reader of it. A plain shell is warned."""
    here = {"OPENBLAS_CORETYPE": "Prescott", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    numpy = lock("numpy", package=package)
    findings = found(numpy, here)
    assert rows(findings) == [
        "error variable-unset MKL_CBWR: not set → COMPATIBLE",
        "error variable-unset OPENBLAS_CORETYPE: not set → Prescott",
    ]
    assert "matmul" in findings[1].why
    assert findings[1].fix == "unset OPENBLAS_CORETYPE   (or lock it: [env.demo.settings] env)"
    assert [row.severity for row in found(numpy, here, "shell")] == ["warning", "warning"]
    assert rows(found(lock("tensorflow", package=package), here, "shell")) == [
        "warning variable-unset ONEDNN_MAX_CPU_ISA: not set → SSE41"
    ]
    assert found(lock("six", package=package), here) == []
    compatible = lock("numpy", package=package, policy="compatible")
    assert [row.severity for row in found(compatible, here)] == ["warning", "warning"]


def test_schedulers_and_machines_without_a_gpu_raise_no_alarm(package: Package) -> None:
    """What a scheduler or a test runner sets is a note, and so is what concerns GPUs where there is none."""
    here = {"CUDA_VISIBLE_DEVICES": "0", "PYTHONHASHSEED": "7", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    torch = lock("torch", package=package)
    assert [row.severity for row in found(torch, here, on=machine())] == ["info", "info", "info"]
    assert [row.severity for row in found(torch, here)] == ["error", "info", "info"]


def test_threads_are_told_once() -> None:
    """However many variables say it."""
    lock_file = lock(settings=Settings(threads=4))
    (finding,) = found(lock_file, dict.fromkeys(Settings(threads=2).variables, "2"), on=machine())
    assert finding.found == (
        "MKL_NUM_THREADS, OMP_NUM_THREADS, OPENBLAS_NUM_THREADS, TF_NUM_INTEROP_THREADS, TF_NUM_INTRAOP_THREADS=2"
    )
    some = Settings(threads=4).variables | {"OMP_NUM_THREADS": "1"}
    del some["MKL_NUM_THREADS"]
    assert rows(found(lock_file, some, on=machine())) == [
        "error threads-count threads: 4 → MKL_NUM_THREADS not set; OMP_NUM_THREADS=1"
    ]


def test_fewer_cpus_than_locked_threads_are_drift() -> None:
    """Affinity lowers what libraries start; a quota only makes them wait, and a plain shell is told."""
    lock_file = lock(settings=Settings(threads=4))
    variables = lock_file.lock.settings.variables
    assert rows(found(lock_file, variables, on=machine(8, affinity=2))) == [
        "error threads-count cpus: at least 4 → 2 of 8 by affinity"
    ]
    assert rows(found(lock_file, variables, on=machine(2))) == ["error threads-count cpus: at least 4 → 2"]
    assert rows(found(lock_file, variables, on=machine(8, quota=1.5))) == [
        "info threads-count cpus: time of 4 → time of 1.5 by a cgroup's quota"
    ]
    assert found(lock_file, variables, on=machine(64, affinity=16)) == []
    told = found(lock_file, variables, "shell", on=machine(2))
    assert [(row.severity, row.subject) for row in told] == [("info", "cpus")]
    (unknown,) = found(lock_file, variables, on=Unknown(reason="no /proc"))
    assert (unknown.nature, unknown.severity) == ("unknown", "error")


def test_threads_that_are_not_locked(package: Package) -> None:
    """Policy bitwise asks for a number; else what is set for a package is told, a warning where it is judged."""
    free = lock("numpy", package=package)
    assert found(free, {}, on=machine()) == []
    assert rows(found(free, {"OMP_NUM_THREADS": "1"}, "shell", on=machine())) == [
        "info threads-count threads: no number: none is locked → OMP_NUM_THREADS=1"
    ]
    assert [row.severity for row in found(free, {"OMP_NUM_THREADS": "1"}, on=machine())] == ["warning"]
    assert found(lock("six", package=package), {"OMP_NUM_THREADS": "1"}, on=machine()) == []
    bitwise = lock(policy="bitwise")
    assert rows(found(bitwise, {}, on=machine(8, affinity=2))) == [
        "error threads-count threads: a locked number (policy bitwise) → as many as there are CPUs: 2 here"
    ]
    assert [row.severity for row in found(bitwise, {}, "shell", on=machine())] == ["warning"]
    assert found(bitwise, {}, "image") == []
    single = lock(policy="bitwise", settings=Settings(env={"OMP_NUM_THREADS": "1"}))
    assert found(single, {"OMP_NUM_THREADS": "1"}, on=machine()) == []


def test_another_limit_beside_locked_threads(package: Package) -> None:
    """OMP_THREAD_LIMIT goes before the number that is locked."""
    lock_file = lock("numpy", package=package, settings=Settings(threads=4))
    here = lock_file.lock.settings.variables | {"OMP_THREAD_LIMIT": "1"}
    assert rows(found(lock_file, here, on=machine())) == [
        "error threads-count threads: 4, and no other limit → OMP_THREAD_LIMIT=1"
    ]


def test_code_from_outside() -> None:
    """PYTHONPATH is no alarm inside the project; elsewhere it is, and its folders are counted, not named."""
    inside = found(lock(), {"PYTHONPATH": "/p/src"}, "shell")
    assert rows(inside) == ["info python-path PYTHONPATH: not set → src"]
    outside = {"PYTHONPATH": os.pathsep.join(["src", "/home/ana/lib", "/home/ana/other"]), "PYTHONSTARTUP": "/home/x"}
    assert rows(found(lock(), outside, "shell")) == [
        "warning python-path PYTHONPATH: not set → src, 2 folders outside the project",
        "info python-path PYTHONSTARTUP: not set → 1 folder outside the project",
    ]
    assert [row.severity for row in found(lock(), outside)] == ["error", "info"]
    assert rows(found(lock(), {"PYTHONHOME": "/usr"}))[0].startswith("error python-path PYTHONHOME")


def test_folders_of_the_system_on_sys_path_are_told(tmp_path: Path) -> None:
    """A venv with the system's packages says so; what is installed there is judged by the rules of packages."""
    venv = Venv(tmp_path / "venv")
    (tmp_path / "system").mkdir()
    venv.answers["sites"] = [str(venv.site), str(tmp_path / "system")]
    verdict = venv.verify(lock(), full=False)
    assert [(row.rule, row.severity, row.subject) for row in verdict.findings] == [("python-path", "info", "sys.path")]
    assert str(tmp_path) not in verdict.findings[0].found


def test_libraries_from_outside() -> None:
    """What is loaded first is an error where it is judged; where libraries are looked for warns, bitwise apart."""
    here = {"LD_PRELOAD": "/home/ana/libfake.so", "LD_LIBRARY_PATH": "/home/ana/lib:/p/lib"}
    assert rows(found(lock(), here)) == [
        "warning preload LD_LIBRARY_PATH: not set → lib, 1 elsewhere",
        "error preload LD_PRELOAD: not set → <elsewhere>/libfake.so",
    ]
    assert [row.severity for row in found(lock(), here, "shell")] == ["info", "warning"]
    assert [row.severity for row in found(lock(policy="bitwise"), here)] == ["error", "error"]
    plain = lock()
    cuda = LockFile(lock=replace(plain.lock, cuda="base"), raw=plain.raw)
    assert [row.severity for row in found(cuda, here, "container")] == ["info", "error"]


def test_a_runner_of_ci_is_no_false_alarm(tmp_path: Path) -> None:
    """Its own variables, and an interpreter that needs LD_LIBRARY_PATH: notes at most."""
    runner = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "LD_LIBRARY_PATH": "/opt/hostedtoolcache/Python/3.11.9/x64/lib",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "HOME": "/home/runner",
    }
    wheel = demo_wheel(tmp_path)
    seen = variables_of(runner, "shell", folder=str(tmp_path))
    observation = Observation(target=".venv", full=False, environment=None, machine=machine(4), variables=seen)
    verdict = verdict_of(Case(lock_of([wheel], frameworks=("demo",)), observation))
    assert not [row for row in verdict.findings if row.rule in ("preload", "python-path") and row.severity != "info"]
    assert not [row for row in verdict.findings if row.family == "ENV" and row.severity != "info"]
