"""Variables that change numbers or code: which count, and what of them may be shown."""

from __future__ import annotations

import os

from envlock.model.factor_table import FACTORS
from envlock.model.factors import OTHER, dropped_by_run, factor_of, marker_of, relevant, variables_here, variables_of
from envlock.model.passes import ALL_THREAD_VARIABLES

MARK = marker_of("tf26", "ab" * 32)


def test_the_table_has_each_variable_once() -> None:
    """With what it does and its source; what a lock's threads or a pass of probes sets is in it."""
    names = [name for factor in FACTORS for name in factor.names]
    assert len(names) == len(set(names))
    assert all(factor.what.endswith(".") and factor.source for factor in FACTORS)
    threads = {name for factor in FACTORS if factor.kind == "threads" for name in factor.names}
    assert threads.issuperset(ALL_THREAD_VARIABLES)
    assert factor_of("EDITOR") is None


def test_only_what_a_locked_package_reads_counts() -> None:
    """OpenBLAS is NumPy's, oneDNN's switch is TensorFlow's; what Python or the loader reads always counts."""
    blas, onednn, path = (factor_of(n) for n in ("OPENBLAS_CORETYPE", "TF_ENABLE_ONEDNN_OPTS", "PYTHONPATH"))
    assert blas is not None
    assert onednn is not None
    assert path is not None
    assert relevant(blas, {"numpy"})
    assert not relevant(blas, {"six", "numpydoc"})
    assert relevant(onednn, {"tensorflow-cpu"})
    assert not relevant(onednn, {"tensorflow-metadata"})
    assert relevant(path, ())


def test_what_is_private_is_not_kept() -> None:
    """Of paths those inside the project are kept, of libraries their names; UUIDs of GPUs and other values are not."""
    here = {
        "PYTHONPATH": os.pathsep.join(["/p/src", "/home/ana/x", "", "lib", "../other", "/p", "/project"]),
        "LD_PRELOAD": "/home/ana/libx.so.1 liby.so ",
        "LD_LIBRARY_PATH": "/opt/ana/lib",
        "XLA_FLAGS": "--xla_dump_to=/home/ana/dump --xla_cpu_enable_fast_math=true",
        "CUDA_VISIBLE_DEVICES": "GPU-8f0e1c2d-1111-2222-3333-444455556666",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "OMP_NUM_THREADS": "",
        "API_KEY": "hunter2",
        "HOME": "/home/ana",
    }
    seen = variables_here(here, folder="/p", locked={"API_KEY": "other"})
    assert seen.origin == "shell"
    assert seen.values == {
        "API_KEY": OTHER,
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "CUDA_VISIBLE_DEVICES": "GPU-<uuid>",
        "LD_LIBRARY_PATH": "<elsewhere>",
        "LD_PRELOAD": "<elsewhere>/libx.so.1:liby.so",
        "PYTHONPATH": "src:<elsewhere>:.:lib:<elsewhere>:.:<elsewhere>",
        "XLA_FLAGS": "--xla_dump_to=<path> --xla_cpu_enable_fast_math=true",
    }
    assert not any(word in repr(seen) for word in ("ana", "hunter2", "8f0e"))


def test_what_is_locked_is_kept_as_it_is() -> None:
    """A value that is exactly the lock's is no secret, and an image's paths are nobody's."""
    flags = "--xla_gpu_cuda_data_dir=/usr/local/cuda"
    assert variables_here({"XLA_FLAGS": flags}, locked={"XLA_FLAGS": flags}).values == {"XLA_FLAGS": flags}
    assert variables_here({"A": ""}, locked={"A": ""}).values == {"A": ""}
    assert variables_of({"LD_LIBRARY_PATH": "/usr/local/nvidia/lib"}, "image").values == {
        "LD_LIBRARY_PATH": "/usr/local/nvidia/lib"
    }


def test_settings_count_as_set_by_run_for_its_own_lock() -> None:
    """The marker of another lock, or of an older one, says nothing of this one."""
    assert variables_here({"ENVLOCK_RUN": MARK}, marker=MARK).origin == "run"
    assert variables_here({"ENVLOCK_RUN": MARK}).origin == "run"
    assert variables_here({"ENVLOCK_RUN": MARK}, marker=marker_of("tf25", "ab" * 32)).origin == "shell"
    assert variables_here({"ENVLOCK_RUN": ""}).origin == "shell"


def test_what_run_takes_away() -> None:
    """What changes numbers of a locked package and is not locked; threads only where the lock fixes their number."""

    def dropped(name: str, *, locked: dict[str, str] | None = None, threads: bool = False) -> bool:
        return dropped_by_run(name, {"numpy"}, locked or {}, threads=threads)

    assert dropped("OPENBLAS_CORETYPE")
    assert not dropped("OPENBLAS_CORETYPE", locked={"OPENBLAS_CORETYPE": "Haswell"})
    assert not dropped("TF_ENABLE_ONEDNN_OPTS")
    assert not dropped("OMP_THREAD_LIMIT")
    assert dropped("OMP_THREAD_LIMIT", threads=True)
    for name in ("CUDA_VISIBLE_DEVICES", "PYTHONHASHSEED", "LD_LIBRARY_PATH", "OMP_PROC_BIND", "EDITOR"):
        assert not dropped(name, threads=True)
