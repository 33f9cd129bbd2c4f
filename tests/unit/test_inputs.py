"""The normalised inputs of a lock, and what is said when they change."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from envlock.locking.input_changes import changed_inputs
from envlock.locking.inputs import normalised_inputs
from envlock.model.manifest import Manifest
from envlock.model.manifest_parser import find_manifest, parse_manifest
from tests.unit.test_manifest_full import FULL

SMALL = '[env.x]\npython = "3.9"\ndependencies = ["six", "numpy<2"]\n'


def inputs_of(manifest: Manifest, env: str) -> dict[str, str]:
    return normalised_inputs(manifest, manifest.environment(env), lambda base: f"recipe of {base}")


def inputs(folder: Path, text: str, env: str = "x") -> dict[str, str]:
    (folder / "envlock.toml").write_text(text, "utf-8")
    return inputs_of(find_manifest(folder), env)


def test_small_manifests_have_few_inputs(tmp_path: Path) -> None:
    """Only what always counts, and what is said."""
    assert inputs(tmp_path, SMALL) == {
        "as-of": "none",
        "frameworks": "",
        "platforms": "linux/amd64",
        "policy": "numeric",
        "python": "3.9",
        "requirements": "numpy<2; six",
        "settings": '{"env": {}, "threads": null}',
        "urls": "record",
    }


def test_every_key_that_decides_a_lock_counts(tmp_path: Path) -> None:
    """Mirrors, data files and probes do not."""
    found = inputs(tmp_path, FULL, "gpu")
    assert {key: found[key] for key in sorted(found) if key not in inputs(tmp_path, SMALL)} == {
        "as-of-packages": "certifi=none numpy=2024-06-01T10:00:00Z",
        "build": "false",
        "constraints": "certifi<2025",
        "cuda": "wheels",
        "hardware a100": '{"accelerator": {"kind": "nvidia", "models": ["A100"]}, "memory-gib": ">=64"}',
        "image": '{"base": "debian-bookworm-python3.11", "bytecode": true, "entrypoint": [], '
        '"os-packages": ["ffmpeg", "libgomp1"]}',
        "index internal": '{"as-of": "2024-01-01", "explicit": true, "packages": ["churn-features"], '
        '"url": "https://internal.example.com/simple"}',
        "recipe": "recipe of debian-bookworm-python3.11",
    }


def _shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: _shuffled(value[key], order) for key in keys}
    if isinstance(value, list) and value and isinstance(value[0], str):
        return order.sample(value, len(value))
    return value


@given(st.integers(0, 2**32))
def test_order_and_comments_do_not_count(seed: int) -> None:
    """Any order of keys, of tables and of requirements is the same manifest to a lock."""
    path = Path("envlock.toml")
    document = tomlkit.parse(FULL).unwrap()
    expected = parse_manifest(path, document)
    found = parse_manifest(path, _shuffled(document, random.Random(seed)))
    for env in ("gpu", "cpu"):
        assert inputs_of(found, env) == inputs_of(expected, env)


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (SMALL, "# more\n" + SMALL.replace("[env.x]", "[env.x] # x"), []),
        (SMALL, SMALL.replace('"six", "numpy<2"', '"numpy <2", "Six"'), []),
        (
            SMALL,
            SMALL.replace('"six", "numpy<2"', '"numpy>=2", "pandas"'),
            ["requirements: numpy<2 → numpy>=2", "requirements: removed six", "requirements: added pandas"],
        ),
        (SMALL, SMALL + 'as-of = "2024-01-01"\n', ["as-of: none → 2024-01-01T00:00:00Z"]),
        (
            SMALL,
            SMALL + 'platforms = ["linux/arm64", "linux/amd64"]\n',
            ["platforms: added linux/arm64"],
        ),
        (
            SMALL,
            SMALL + "[env.x.settings]\nthreads = 4\nenv = { A = '1' }\n",
            ["settings: added env.A = 1", "settings: added threads = 4"],
        ),
        (SMALL + 'constraints = ["six<2"]\n', SMALL, ["constraints: removed, was six<2"]),
        (
            SMALL + '[env.x.image]\nbase = "debian-bookworm-python3.11"\n',
            SMALL + '[env.x.image]\nbase = "debian-bullseye-python3.9"\n',
            [
                "image: base: debian-bookworm-python3.11 → debian-bullseye-python3.9",
                "recipe: recipe of debian-bookworm-python3.11 → recipe of debian-bullseye-python3.9",
            ],
        ),
        (
            SMALL + '[[index]]\nname = "a"\nurl = "https://a.example.com"\n',
            SMALL + '[[index]]\nname = "a"\nurl = "https://b.example.com"\n',
            ["index a: url: https://a.example.com → https://b.example.com"],
        ),
        (SMALL, SMALL + '[[index]]\nname = "a"\nurl = "https://a.example.com"\nmirror-of = "default"\n', []),
    ],
)  # fmt: skip
def test_changes_are_said_in_words(tmp_path: Path, before: str, after: str, lines: list[str]) -> None:
    """What was added, removed and changed, each on a line."""
    assert changed_inputs(inputs(tmp_path, before), inputs(tmp_path, after)) == lines


def test_files_count_by_what_they_ask_for(tmp_path: Path) -> None:
    """Of a pyproject.toml only the chosen requirements, of requirements files the requirements, count."""
    text = '[env.x]\npython = "3.9"\nfrom = ["pyproject.toml", "requirements.txt"]\ngroups = ["dev"]\n'
    project = '[project]\nname = "c"\nversion = "1"\ndependencies = ["six"]\n[dependency-groups]\ndev = ["ruff"]\n'
    (tmp_path / "requirements.txt").write_text("pandas\n", "utf-8")
    (tmp_path / "pyproject.toml").write_text(project + 'docs = ["mkdocs"]\n', "utf-8")
    before = inputs(tmp_path, text)
    assert before["from pyproject.toml"] == "ruff; six"
    assert before["from requirements.txt"] == "pandas"
    (tmp_path / "pyproject.toml").write_text(project.replace('"1"', '"2"') + "[tool.ruff]\n", "utf-8")
    assert inputs(tmp_path, text) == before
    (tmp_path / "pyproject.toml").write_text(project.replace("ruff", "black"), "utf-8")
    (tmp_path / "requirements.txt").write_text("pandas>=2 # newer\nnumpy\n", "utf-8")
    assert changed_inputs(before, inputs(tmp_path, text)) == [
        "from pyproject.toml: removed ruff",
        "from pyproject.toml: added black",
        "from requirements.txt: pandas → pandas>=2",
        "from requirements.txt: added numpy",
    ]


def test_other_locks_count_by_their_digest(tmp_path: Path) -> None:
    """A pin that moves in another tool's lock makes ours stale; its comments do not."""
    text = '[env.x]\npython = "3.9"\nfrom = "poetry.lock"\n'
    lock = '[[package]]\nname = "six"\nversion = "1.16.0"\n'
    (tmp_path / "poetry.lock").write_text(lock, "utf-8")
    before = inputs(tmp_path, text)
    (tmp_path / "poetry.lock").write_text("# x\n" + lock, "utf-8")
    assert inputs(tmp_path, text) == before
    (tmp_path / "poetry.lock").write_text(lock.replace("16", "17"), "utf-8")
    assert changed_inputs(before, inputs(tmp_path, text)) == ["from poetry.lock: its content changed"]


def test_lock_without_urls_names_no_host_in_its_inputs(tmp_path: Path) -> None:
    """`urls = "omit"` keeps hosts out of the lock; another URL is another input all the same."""
    text = SMALL + 'urls = "omit"\n[[index]]\nname = "a"\nurl = "https://a.example.com/simple"\n'
    before, after = inputs(tmp_path, text), inputs(tmp_path, text.replace("a.example", "b.example"))
    assert "example.com" not in str(before) + str(after)
    assert [line.partition(" → ")[0][:18] for line in changed_inputs(before, after)] == ["index a: url: url-"]


@pytest.mark.parametrize("folder", ["/srv/wheels", "file:///srv/wheels", "C:/wheels", "file:/srv/wheels"])
def test_no_absolute_path_is_in_the_inputs(tmp_path: Path, folder: str) -> None:
    """A folder of one machine, of an index or in a requirements file, is told by a digest; another one is a change."""
    text = '[env.x]\npython = "3.9"\nfrom = "requirements.txt"\n[[index]]\nname = "a"\nformat = "flat"\nurl = '
    rows = "--find-links {0}\n-f{0}\n--extra-index-url=https://a.example.com/srv/simple\nnumpy\n"
    (tmp_path / "requirements.txt").write_text(rows.format(folder), "utf-8")
    before = inputs(tmp_path, f'{text}"{folder}"\n')
    assert folder not in str(before)
    assert "https://a.example.com/srv/simple" in before["from requirements.txt"]
    after = inputs(tmp_path, f'{text}"{folder}2"\n')
    assert [line.partition(" → ")[0][:19] for line in changed_inputs(before, after)] == ["index a: url: path-"]


def test_relative_folders_stand_as_they_are(tmp_path: Path) -> None:
    """They are the same wherever the project is."""
    found = inputs(tmp_path, SMALL + '[[index]]\nname = "a"\nformat = "flat"\nurl = "../wheels/cpu"\n')
    assert found["index a"] == '{"format": "flat", "url": "../wheels/cpu"}'
