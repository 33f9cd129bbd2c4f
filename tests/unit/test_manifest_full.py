"""Manifests in full: shared parts, indexes, hardware, cutoffs of projects, probes."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.model.manifest import Environment, Manifest
from envlock.model.manifest_parser import find_manifest

FULL = """\
[[index]]
name = "corp"
url = "https://packages.example.com/simple"
mirror-of = "default"

[[index]]
name = "internal"
url = "https://internal.example.com/simple"
explicit = true
packages = ["churn-features"]
as-of = 2024-01-01

[hardware.a100]
memory-gib = ">=64"
accelerator = { kind = "nvidia", models = ["A100"] }

[env.shared]
abstract = true
dependencies = ["pandas", "numpy<2"]
constraints = ["certifi<2025"]
platforms = ["linux/amd64", "linux/arm64"]
hardware = ["a100"]
settings = { threads = 8, env = { PYTHONHASHSEED = "0", A = "1" } }

[env.shared.image]
base = "debian-bookworm-python3.11"
os-packages = ["libgomp1"]

[env.gpu]
extends = "shared"
python = "3.11"
frameworks = { torch = "==2.5.1" }
dependencies = ["numpy<2", "lightning"]
as-of = 2024-11-01
as-of-packages = { Certifi = "none", numpy = 2024-06-01T12:00:00+02:00 }
cuda = "wheels"
build = false
inputs = ["data/train.csv"]
probes = { loss = "churn.probes:loss" }

[env.gpu.settings]
threads = 4
env = { A = "2" }

[env.gpu.image]
os-packages = ["ffmpeg"]
base = "debian-bookworm-python3.11"

[env.cpu]
extends = ["gpu"]
frameworks = { Torch = "==2.5.1+cpu" }
platforms = ["linux/amd64"]
hardware = []
"""


def read(folder: Path, text: str, name: str = "envlock.toml") -> Manifest:
    (folder / name).write_text(text, "utf-8")
    return find_manifest(folder)


def refused(folder: Path, text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read(folder, text)
    assert caught.value.exit_code == 2
    assert str(folder) not in str(caught.value), "no absolute path in an error"
    return caught.value


def test_full(tmp_path: Path) -> None:
    """Every key arrives, shared parts are merged in, and abstract environments are not locked."""
    manifest = read(tmp_path, FULL)
    assert sorted(manifest.environments) == ["cpu", "gpu"]
    assert [index.name for index in manifest.indexes] == ["corp", "internal"]
    assert manifest.indexes[1].as_of == "2024-01-01"
    gpu = manifest.environment("gpu")
    assert gpu.dependencies == ("pandas", "numpy<2", "lightning")
    assert gpu.constraints == ("certifi<2025",)
    assert [str(platform) for platform in gpu.targets] == ["linux/amd64", "linux/arm64"]
    assert gpu.hardware == ("a100",)
    assert gpu.settings.threads == 4
    assert gpu.settings.env == {"PYTHONHASHSEED": "0", "A": "2"}
    assert gpu.image is not None
    assert gpu.image.os_packages == ("libgomp1", "ffmpeg")
    assert gpu.package_cutoffs == {"certifi": "none", "numpy": "2024-06-01T10:00:00Z"}
    assert (gpu.cutoff, gpu.cuda, gpu.build) == ("2024-11-01T00:00:00Z", "wheels", False)
    cpu = manifest.environment("cpu")
    assert (cpu.python, cpu.frameworks, cpu.hardware) == ("3.11", {"Torch": "==2.5.1+cpu"}, ())
    assert [str(platform) for platform in cpu.targets] == ["linux/amd64"]


def test_pyproject_serves_as_well(tmp_path: Path) -> None:
    """[tool.envlock] holds the same tables."""
    inside = FULL.replace("[[", "[[tool.envlock.").replace("\n[env", "\n[tool.envlock.env")
    inside = inside.replace("\n[hardware", "\n[tool.envlock.hardware")
    manifest = read(tmp_path, inside, "pyproject.toml")
    (tmp_path / "other").mkdir()
    assert manifest.environments == read(tmp_path / "other", FULL).environments
    assert manifest.hardware == read(tmp_path / "other", FULL).hardware


def test_later_parents_go_before_earlier_ones(tmp_path: Path) -> None:
    """Of two parents the later one's scalar counts; a diamond brings each requirement once."""
    manifest = read(
        tmp_path,
        '[env.top]\nabstract = true\ndependencies = ["six"]\npolicy = "bitwise"\n'
        '[env.a]\nabstract = true\nextends = "top"\npython = "3.9"\ndependencies = ["a"]\n'
        '[env.b]\nabstract = true\nextends = "top"\npython = "3.11"\ndependencies = ["b"]\n'
        '[env.x]\nextends = ["a", "b"]\ndependencies = ["x"]\n',
    )
    environment = manifest.environment("x")
    assert environment.dependencies == ("six", "a", "b", "x")
    assert (environment.python, environment.policy, environment.abstract) == ("3.11", "bitwise", False)


SIMPLE = '[env.x]\npython = "3.9"\ndependencies = ["six"]\n'
INDEX = '[[index]]\nname = "corp"\nurl = "https://packages.example.com/simple"\n'


@pytest.mark.parametrize(
    ("text", "reference", "said"),
    [
        (SIMPLE + 'extends = "y"\n[env.yy]\nabstract = true\n', "unknown-env", "Did you mean 'yy'?"),
        (SIMPLE + 'extends = "y"\n[env.y]\nextends = "x"\n', "extends-cycle", "x → y → x"),
        (SIMPLE + 'extends = "x"\n', "extends-cycle", "x → x"),
        ("[env.x]\nabstract = true\n", "bad-manifest", "abstract"),
        (SIMPLE.replace('python = "3.9"\n', ""), "bad-manifest", "has no python"),
        (SIMPLE + 'hardware = ["a1000"]\n[hardware.a100]\n', "unknown-hardware", "Did you mean 'a100'?"),
        (SIMPLE + 'hardware = ["a100"]\n', "unknown-hardware", "a table [hardware.a100]"),
        (SIMPLE + '[hardware."a.b"]\n', "bad-manifest", "cannot name a hardware class"),
        (SIMPLE + '[hardware.a]\nmemory = ">=3"\n', "unknown-key", "Did you mean 'memory-gib'?"),
        (SIMPLE + '[hardware.a.accelerator]\nkind = "nvidia"\nmodel = "A"\n', "unknown-key", "hardware.a.accelerator"),
        (SIMPLE + '[env.x.settings]\nthread = 1\n', "unknown-key", "env.x.settings"),
        (SIMPLE + INDEX + 'mirror_of = "default"\n', "unknown-key", "Did you mean 'mirror-of'?"),
        (SIMPLE + INDEX + INDEX, "bad-manifest", "Two indexes are called 'corp'"),
        (SIMPLE + INDEX.replace("corp", "Corp"), "bad-manifest", "cannot name an index"),
        (SIMPLE + INDEX + "explicit = true\n", "bad-manifest", "names none"),
        (SIMPLE + INDEX + 'mirror-of = "corp"\n', "bad-manifest", "names no other index"),
        (SIMPLE + INDEX + 'mirror-of = "defualt"\n', "bad-manifest", "Did you mean 'default'?"),
        (SIMPLE + INDEX + 'as-of = "release"\n', "bad-as-of", "not a date"),
        (SIMPLE + INDEX.replace("https://packages.example.com/simple", "wheels"), "bad-manifest", 'format = "flat"'),
        (SIMPLE + 'cuda = "system"\n', "bad-manifest", "cuda"),
        (SIMPLE + 'probes = { loss = "churn.probes" }\n', "bad-manifest", "module:function"),
        (SIMPLE + 'as-of-packages = { numpy = "release" }\n', "bad-as-of", "env.x.as-of-packages.numpy"),
        (SIMPLE + 'frameworks = { tensorflow = "2.5.0" }\n', "bad-requirement", '"==2.5.0"'),
        (SIMPLE + 'constraints = ["six = 1"]\n', "bad-requirement", "env.x.constraints"),
        (SIMPLE + 'from = "/srv/requirements.txt"\n', "bad-manifest", "relative"),
        (SIMPLE + 'from = "environment.yml"\n', "bad-manifest", "--from-venv"),
        (SIMPLE + 'extras = ["gpu"]\n', "bad-manifest", "extras are those of a pyproject.toml"),
        (SIMPLE + "from = 3\n", "bad-manifest", "env.x.from"),
        (SIMPLE + "[env.x.settings]\nthreads = true\n", "bad-manifest", "env.x.settings.threads"),
        ('[env.x]\n<<<<<<< ours\npython = "3.9"\n=======\n>>>>>>> theirs\n', "conflict-markers", "line 2"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, text: str, reference: str, said: str) -> None:
    """Whatever is wrong is named where it stands, with the next step."""
    error = refused(tmp_path, text)
    assert error.reference == reference
    assert said in str(error)


@pytest.mark.parametrize(
    "text",
    [
        SIMPLE + INDEX.replace("https://", "https://user:secret@"),
        SIMPLE + INDEX + 'mirror-of = "https://user:secret@other.example.com/simple"\n',
        SIMPLE.replace('"six"', '"six @ https://user:secret@example.com/six.whl"'),
        SIMPLE + 'overrides = ["six @ https://user:secret@example.com/six.whl"]\n',
    ],
)
def test_credentials_are_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    """A password in the manifest is an error that does not show it."""
    error = refused(tmp_path, text)
    assert error.reference == "credentials-in-manifest"
    assert "secret" not in str(error)


@pytest.mark.parametrize("url", ["https://[", "https://ana:p#ss@packages.example.com/simple"])
def test_what_is_no_url_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    """A password may have broken it."""
    error = refused(tmp_path, SIMPLE + INDEX.replace("https://packages.example.com/simple", url))
    assert error.reference == "bad-manifest"
    assert "'p'" not in str(error)
    assert "p#ss" not in str(error)


def test_marker_like_text_is_no_conflict(tmp_path: Path) -> None:
    """Seven equal signs in a comment are nothing."""
    assert read(tmp_path, "# =======\n" + SIMPLE).environment("x") == Environment(python="3.9", dependencies=("six",))
