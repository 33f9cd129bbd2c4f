"""Real environments, each locked, synced and imported from an empty cache."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.programs import python_of
from tests.integration.project import Project

pytestmark = [pytest.mark.network, pytest.mark.frameworks]

SCIKIT = """\
[env.old]
python = "3.8"
frameworks = { scikit-learn = "==0.24.0" }
as-of = "release"
"""
JAX = """\
[env.jax]
python = "3.13"
frameworks = { jax = ">=0.7" }
as-of = "2026-11-01"
image = { base = "debian-trixie-python3.13" }
"""
TORCH = """\
[env.torch]
python = "3.11"
frameworks = { torch = "==2.13.0" }
cuda = "none"

[[index]]
name = "wheelhouse"
url = "wheelhouse"
format = "flat"
"""
SOURCE = """\
[env.source]
python = "3.11"
dependencies = ["python-levenshtein==0.12.2"]
as-of = "2023-03-01"
image = { base = "debian-bookworm-python3.11" }
"""
LARGE = """\
[env.large]
python = "3.11"
frameworks = { torch = "==2.8.0" }
dependencies = ["transformers", "lightning"]
as-of = "2025-09-01"
"""


def locked_and_synced(folder: Path, manifest: str, version: str, statement: str) -> str:
    """Lock, sync and verify from an empty cache; return what a statement prints in the environment."""
    python = python_of(version)
    project = Project(folder / "project", manifest, cache=folder / "cache")
    if "wheelhouse" in manifest:
        (project.folder / "wheelhouse").symlink_to(wheelhouse())
    empty = {"UV_CACHE_DIR": str(folder / "uv")}
    project.ok("lock", environment=empty)
    project.ok("sync", "--python", python, environment=empty)
    project.ok("verify", "--full")
    done = subprocess.run(
        [project.folder / ".venv" / "bin" / "python", "-c", statement], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def wheelhouse() -> Path:
    """Return the folder that holds a CPU build of PyTorch, or skip."""
    folder = Path(os.environ.get("PIP_FIND_LINKS", "nowhere"))
    if not list(folder.glob("torch-2.13.0*cp311*.whl")):
        pytest.skip("no CPU wheel of PyTorch 2.13 here")
    return folder


def test_scikit_learn_as_of_its_release(tmp_path: Path) -> None:
    """scikit-learn 0.24.0 gets numpy and scipy of December 2020, and fits."""
    statement = (
        "import numpy, sklearn; from sklearn.linear_model import LinearRegression as L; "
        "print(sklearn.__version__, numpy.__version__, L().fit([[0], [1]], [0, 1]).coef_.round(3)[0])"
    )
    assert locked_and_synced(tmp_path, SCIKIT, "3.8", statement) == "0.24.0 1.19.4 1.0"


def test_jax_on_python_3_13(tmp_path: Path) -> None:
    """JAX is locked on Debian trixie, and computes."""
    statement = "import jax, jax.numpy as n; print(int(n.arange(4).sum()))"
    assert locked_and_synced(tmp_path, JAX, "3.13", statement) == "6"


def test_torch_from_a_folder_of_wheels(tmp_path: Path) -> None:
    """The CPU wheel of PyTorch comes from a folder that the manifest names; the lock names no folder."""
    statement = "import torch; print(torch.__version__, torch.ones(2).sum().item())"
    assert locked_and_synced(tmp_path, TORCH, "3.11", statement) == "2.13.0+cpu 2.0"
    lock = (tmp_path / "project" / "lockfiles" / "pylock.torch.toml").read_text("utf-8")
    assert str(wheelhouse()) not in lock


def test_a_c_extension_that_is_published_as_source_alone(tmp_path: Path) -> None:
    """The wheel is built in the locked Debian root, and its extension loads."""
    statement = "import Levenshtein as l; print(l.distance('lock', 'clock'), l._levenshtein.__file__[-3:])"
    assert locked_and_synced(tmp_path, SOURCE, "3.11", statement) == "1 .so"


def test_gigabytes_of_cuda_are_locked_without_being_downloaded(tmp_path: Path) -> None:
    """PyTorch with CUDA, transformers and lightning are locked by ranges; the lock says which CUDA and driver."""
    project = Project(tmp_path / "project", LARGE, cache=tmp_path / "cache")
    project.ok("lock", environment={"UV_CACHE_DIR": str(tmp_path / "uv")})
    lock = (project.folder / "lockfiles" / "pylock.large.toml").read_text("utf-8")
    assert 'cuda = "12.8"' in lock
    assert 'minimum-driver = "525.60.13"' in lock
    held = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert held < 50_000_000
