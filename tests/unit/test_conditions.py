"""Under which conditions probes run, and which distributions take part in computing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from envlock.formats.cpuinfo import cpu_of
from envlock.model.computing import takes_part, used_by
from envlock.model.machine import Accelerators, Machine
from envlock.model.numerics import Conditions
from envlock.model.observation import Distribution, Environment, Interpreter, Layout
from envlock.model.passes import configured
from envlock.model.unknown import Unknown
from envlock.observe.conditions import conditions_of

SITE = "/project/.venv/lib/python3.9/site-packages"
PYTHON = Interpreter(implementation="cpython", version="3.9.18", system="linux", machine="x86_64", libc="glibc 2.31")
CPU = cpu_of("x86_64", vendor="GenuineIntel", model="One", features=("lm",), threads=8)


def environment(*, interpreter: Interpreter | Unknown = PYTHON, **versions: str) -> Environment:
    return Environment(
        interpreter=interpreter,
        layout=Layout(prefix="/project/.venv", sites=(SITE,), scripts="/project/.venv/bin", data="/project/.venv"),
        distributions=tuple(
            Distribution(name=name.replace("_", "-"), version=version, folder=f"{SITE}/{name}-{version}.dist-info")
            for name, version in sorted(versions.items())
        ),
        files={},
    )


def conditions(environ: dict[str, str], *, settings: dict[str, str] | None = None, **fields: Any) -> Conditions:
    machine = Machine(system="linux", libc="glibc 2.36", cpu=CPU, memory=1 << 34, accelerators=Accelerators())
    seen = fields.pop("environment", environment())
    passed = configured(environ, settings or {}, "gpu")
    return conditions_of(seen, fields.pop("machine", machine), passed, settings=settings, folder="/project", **fields)


def test_what_is_kept() -> None:
    """The target's own Python and libc, the machine's threads, and versions of what computes."""
    found = conditions(
        {}, environment=environment(numpy="1.26.4", requests="2.31.0", my_model="1"), frameworks=("my-model",)
    )
    assert (found.python, found.threads, found.machine.libc) == ("3.9.18", 8, "glibc 2.31")
    assert found.versions == {"my-model": "1", "numpy": "1.26.4"}


def test_what_nobody_knows() -> None:
    """A CPU that cannot be seen has no number of threads, a Python that does not answer no version."""
    machine = Machine(
        system="linux",
        libc="glibc 2.36",
        cpu=Unknown(reason="no /proc"),
        memory=1 << 34,
        accelerators=Accelerators(),
    )
    found = conditions({}, machine=machine, environment=environment(interpreter=Unknown(reason="it hangs")))
    assert (found.python, found.threads, found.machine.libc) == ("", 0, "glibc 2.36")


def test_variables_that_decide() -> None:
    """Those of the model's factors, the lock's going before the shell's; an empty one is as good as none."""
    environ = {
        "OMP_NUM_THREADS": "4",
        "OPENBLAS_CORETYPE": "",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "CUDA_VISIBLE_DEVICES": "3",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": "/home/ana/other",
        "EDITOR": "vi",
    }
    found = conditions(environ, settings={"OMP_NUM_THREADS": "2", "MODE": "test"})
    assert found.variables == {"OMP_NUM_THREADS": "2", "TF_ENABLE_ONEDNN_OPTS": "1"}


def test_nothing_private_is_kept() -> None:
    """No folder, name or credential of this machine gets into a fingerprint."""
    environ = {
        "HOME": "/home/ana",
        "XLA_FLAGS": "--xla_dump_to=/home/ana/dumps --xla_gpu_autotune_level=0",
        "LD_LIBRARY_PATH": "/home/ana/cuda/lib64:/project/lib",
        "LD_PRELOAD": "/home/ana/libjemalloc.so.2",
        "KERAS_BACKEND": "https://ana:secret@example.com/",
    }
    found = conditions(environ)
    assert found.variables["LD_LIBRARY_PATH"] == "<elsewhere>:lib"
    assert found.variables["XLA_FLAGS"] == "--xla_dump_to=<path> --xla_gpu_autotune_level=0"
    assert not {word for word in ("ana", "secret", "/home") if word in json.dumps(dict(found.variables))}


@pytest.mark.parametrize(
    ("name", "computes"),
    [
        ("numpy", True),
        ("keras-nightly", True),
        ("nvidia-cublas-cu12", True),
        ("ml-dtypes", True),
        ("opt-einsum", True),
        ("tensorboard", False),
        ("requests", False),
    ],
)
def test_who_takes_part(name: str, computes: bool) -> None:
    """What does arithmetic does; what draws its curves does not."""
    assert takes_part(name) is computes


def test_what_a_suite_computes_with() -> None:
    """The framework comes first, other frameworks never; the project's own probes may use anything."""
    installed = ("h5py", "keras", "numpy", "pandas", "tensorflow", "torch")
    assert used_by("tensorflow", installed) == ("tensorflow", "keras", "numpy")
    assert used_by("numpy", installed) == ("numpy",)
    assert set(used_by("project", installed)) == set(installed)
