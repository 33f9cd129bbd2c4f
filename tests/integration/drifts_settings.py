"""Drift of settings: environment variables and CPUs, as they reach programs that `envlock run` starts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.integration.bench import Bench
from tests.integration.drift import Drift, drift
from tests.unit.machines import replay

MANIFEST = """\
[[index]]
name = "folder"
url = "index"
format = "flat"

[env.numbers]
python = "3.11"
frameworks = { tensorflow = "==2.15.0" }
dependencies = ["numpy==1.26.4", "torch==2.1.0", "jax==0.4.30"]
as-of = "none"
hardware = ["a100", "cpu"]
cuda = "base"

[env.numbers.settings]
threads = 8
env = { PYTHONHASHSEED = "0", TF_ENABLE_ONEDNN_OPTS = "0", CHURN_MODE = "exact" }

[hardware.a100]
cpu-level = ">=x86-64-v3"
cpu-features = ["avx2"]
memory-gib = ">=64"

[hardware.a100.accelerator]
kind = "nvidia"
models = ["A100"]
count = ">=1"
memory-gib = ">=38"
driver = ">=525"
compute-capability = ">=8.0"

[hardware.cpu]
cpu-level = ">=x86-64-v3"
memory-gib = ">=4"
accelerator = { kind = "none" }
"""
PACKAGES = (("tensorflow", "2.15.0"), ("numpy", "1.26.4"), ("torch", "2.1.0"), ("jax", "0.4.30"))
"""Named as the libraries that read the variables; none of them is asked to compute."""


def _run(bench: Bench) -> None:
    bench.machine = replay("a100")
    bench.as_run()


def _with(**variables: str) -> Callable[[Bench], None]:
    """Return what sets variables in a program that `envlock run` started."""

    def make(bench: Bench) -> None:
        _run(bench)
        bench.variables |= variables

    return make


def _without(name: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        _run(bench)
        del bench.variables[name]

    return make


def _in_a_shell(bench: Bench) -> None:
    """Asked for with --on, settings are judged in a plain shell too."""
    bench.machine = replay("a100")
    bench.options = ["--on", "a100"]


def _pythonpath(bench: Bench) -> None:
    _run(bench)
    bench.variables["PYTHONPATH"] = str(bench.spare)


def _affinity(bench: Bench) -> None:
    """On this machine, for real."""
    bench.as_run()
    bench.before = ["taskset", "-c", "0"]


def _few_cpus(bench: Bench) -> None:
    bench.as_run()
    bench.machine = replay("t4")


row = partial(drift, "Settings")
SETTINGS: tuple[Drift, ...] = (
    row("fewer threads", _with(OMP_NUM_THREADS="4"), "threads-count", 1),
    row("threads not set", _without("OMP_NUM_THREADS"), "threads-count", 1),
    row("a limit of threads that is not locked", _with(OMP_THREAD_LIMIT="2"), "threads-count", 1),
    row("one CPU by affinity", _affinity, "threads-count", 1, beside=("hardware-class",)),
    row("a machine of fewer CPUs", _few_cpus, "threads-count", 1, beside=("hardware-class",)),
    row("a plain shell, asked for with --on", _in_a_shell, "threads-count", 1, beside=("variable-value",)),
    row("another value: TF_ENABLE_ONEDNN_OPTS", _with(TF_ENABLE_ONEDNN_OPTS="1"), "variable-value", 1),
    row("another value: PYTHONHASHSEED", _with(PYTHONHASHSEED="random"), "variable-value", 1),
    row("a setting of the team's own is missing", _without("CHURN_MODE"), "variable-value", 1),
    *(
        row(f"set: {name}={value}", _with(**{name: value}), "variable-unset", 1)
        for name, value in (
            ("OPENBLAS_CORETYPE", "Prescott"),
            ("MKL_CBWR", "COMPATIBLE"),
            ("NPY_DISABLE_CPU_FEATURES", "AVX2 FMA3"),
            ("ONEDNN_MAX_CPU_ISA", "SSE41"),
            ("ONEDNN_DEFAULT_FPMATH_MODE", "BF16"),
            ("ATEN_CPU_CAPABILITY", "default"),
            ("NVIDIA_TF32_OVERRIDE", "1"),
            ("CUBLAS_WORKSPACE_CONFIG", ":16:8"),
            ("XLA_FLAGS", "--xla_cpu_enable_fast_math=true"),
            ("TF_XLA_FLAGS", "--tf_xla_auto_jit=2"),
            ("TF_DETERMINISTIC_OPS", "1"),
            ("TF_USE_LEGACY_KERAS", "1"),
            ("JAX_ENABLE_X64", "1"),
            ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2_Usable"),
        )
    ),
    row("PYTHONPATH", _pythonpath, "python-path", 1),
    row("PYTHONHOME", _with(PYTHONHOME="/somewhere/else"), "python-path", 1),
    row("LD_PRELOAD", _with(LD_PRELOAD="/somewhere/libmkl_rt.so.2"), "preload", 1),
    row("LD_AUDIT", _with(LD_AUDIT="/somewhere/libaudit.so"), "preload", 1),
)  # fmt: skip
