"""Manifests are checked at the border, and errors say what to mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.model.manifest_parser import find_manifest

SMALLEST = '[env.tf25]\npython = "3.9"\ndependencies = ["six"]\n'


def write(folder: Path, text: str, name: str = "envlock.toml") -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder


def refused(folder: Path, text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        find_manifest(write(folder, text))
    assert caught.value.exit_code == 2
    return caught.value


def test_smallest_manifest(tmp_path: Path) -> None:
    """Two lines are enough, and the lock's place follows from the name."""
    manifest = find_manifest(write(tmp_path, SMALLEST))
    environment = manifest.environment("tf25")
    assert environment.requirements == ("six",)
    assert environment.cutoff == "none"
    assert [str(platform) for platform in environment.targets] == ["linux/amd64"]
    assert manifest.lock_path("tf25") == tmp_path / "lockfiles" / "pylock.tf25.toml"


def test_found_from_a_folder_below(tmp_path: Path) -> None:
    """The nearest folder above counts, as with git."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    write(tmp_path, SMALLEST)
    assert find_manifest(below).folder == tmp_path


def test_pyproject_table(tmp_path: Path) -> None:
    """[tool.envlock] of a pyproject.toml serves as well."""
    write(tmp_path, '[tool.envlock.env.tf25]\npython = "3.9"\ndependencies = ["six"]\n', "pyproject.toml")
    assert find_manifest(tmp_path).environment("tf25").python == "3.9"


@pytest.mark.parametrize(
    ("value", "cutoff"),
    [
        ('"2021-05-15"', "2021-05-15T00:00:00Z"),
        ("2021-05-15", "2021-05-15T00:00:00Z"),
        ("2021-05-15T12:00:00+02:00", "2021-05-15T10:00:00Z"),
        ('"release"', "release"),
        ('"none"', "none"),
    ],
)
def test_as_of(tmp_path: Path, value: str, cutoff: str) -> None:
    """A date means the beginning of that day in UTC, whatever the machine's time zone."""
    assert find_manifest(write(tmp_path, SMALLEST + f"as-of = {value}\n")).environment("tf25").cutoff == cutoff


def test_no_manifest(tmp_path: Path) -> None:
    """Nothing to read: the error shows what to write."""
    with pytest.raises(UsageError, match="no envlock") as caught:
        find_manifest(tmp_path)
    assert "[env.train]" in caught.value.hint


def test_toml_error_has_line_and_column(tmp_path: Path) -> None:
    """A syntax error is located."""
    error = refused(tmp_path, SMALLEST + "as-of = \n")
    assert "line 4, column 9" in error.found
    assert error.where.endswith("envlock.toml")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (SMALLEST + "framework = {}\n", "Did you mean 'frameworks'?"),
        (SMALLEST + '[env.tf25.image]\nbasis = "x"\n', "Did you mean 'base'?"),
        ("[envs.x]\n", "Did you mean 'env'?"),
    ],
)
def test_unknown_key_names_the_nearest(tmp_path: Path, text: str, hint: str) -> None:
    """A misspelt key is an error, not silence."""
    assert refused(tmp_path, text).hint == hint


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[env.tf25]\npython = "3"\ndependencies = ["six"]\n', "feature version"),
        ('[env.tf25]\npython = 3.9\ndependencies = ["six"]\n', "Expected `str`, got `float`"),
        ('[env."a.b"]\npython = "3.9"\n', "cannot name"),
        ('[env.x]\npython = "3.9"\n', "asks for nothing"),
        ('[env.x]\npython = "3.9"\ndependencies = ["six = 1"]\n', "PEP 508"),
        (SMALLEST + 'platforms = ["windows/arm64"]\n', "cannot be locked"),
        (SMALLEST + 'as-of = "yesterday"\n', "not a date"),
        (SMALLEST + 'policy = "strict"\n', "Invalid enum value"),
        (SMALLEST + 'groups = ["dev"]\n', "groups are those of a pyproject.toml"),
        ("", "no environment"),
    ],
)
def test_bad_values(tmp_path: Path, text: str, what: str) -> None:
    """Each value is checked where it stands."""
    assert what in refused(tmp_path, text).what


def test_what_would_do_instead(tmp_path: Path) -> None:
    """Where a value is one of few, they are listed; a version without quotes is a number to TOML."""
    assert refused(tmp_path, SMALLEST + 'policy = "numerik"\n').expected == "one of: bitwise, compatible, numeric"
    assert refused(tmp_path, '[env.x]\npython = 3.9\ndependencies = ["six"]\n').hint == "Put it in quotes."


def test_unknown_environment(tmp_path: Path) -> None:
    """The nearest name is offered."""
    manifest = find_manifest(write(tmp_path, SMALLEST))
    with pytest.raises(UsageError, match="no environment 'tf26'") as caught:
        manifest.environment("tf26")
    assert caught.value.hint == "Did you mean 'tf25'?"


def test_review_labels(tmp_path: Path) -> None:
    """[review] asks labels for what changes: areas, impacts, and three things beside."""
    text = SMALLEST + '[review]\nlabels = { framework = "framework-change", results = "x", signers = "y" }\n'
    assert find_manifest(write(tmp_path, text)).review.labels["framework"] == "framework-change"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('labels = { frameworks = "x" }', "Did you mean 'framework'?"),
        ('labels = { framework = " " }', 'such as "framework-change"'),
        ('labels = { framework = ["x"] }', "review.labels"),
        ("label = {}", "Did you mean 'labels'?"),
    ],
)
def test_review_that_asks_for_nothing(tmp_path: Path, table: str, said: str) -> None:
    """A policy that could never hold is refused, for nobody would notice."""
    error = refused(tmp_path, SMALLEST + f"[review]\n{table}\n")
    assert said in str(error)
