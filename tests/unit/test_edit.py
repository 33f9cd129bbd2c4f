"""`add` and `remove` change requirements and nothing else of the manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.operations.edit import Edit, add_requirements, remove_requirements

MANIFEST = """\
# top
[env.train]  # the one
python = "3.11"
frameworks = { torch = "==2.5.1" }  # results
dependencies = [
    "numpy<2",   # arrays
    "six",
]
as-of = "2025-01-01"

[env.train.image]  # image
base = "debian-bookworm-python3.11"
"""


def write(folder: Path, text: str = MANIFEST, name: str = "envlock.toml") -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder


def add(folder: Path, *requirements: str, env: str | None = None, framework: bool = False) -> Edit:
    return add_requirements(folder, env, requirements, framework=framework)


def changed(edit: Edit) -> list[str]:
    """Return the lines that an edit removed and added."""
    before, after = edit.before.decode().splitlines(), edit.after.decode().splitlines()
    return [f"-{line}" for line in before if line not in after] + [f"+{line}" for line in after if line not in before]


def test_add_keeps_order_and_comments(tmp_path: Path) -> None:
    """A sorted list stays sorted, so that branches that add different packages merge."""
    edit = add(write(tmp_path), "pandas>=2")
    assert edit.after.decode() == MANIFEST.replace('    "six",', '    "pandas>=2",\n    "six",')
    assert (edit.env, edit.affected, edit.changes) == ("train", ("train",), ("added pandas>=2",))
    assert edit.before == MANIFEST.encode()


def test_add_replaces_the_same_project(tmp_path: Path) -> None:
    """In its place, its comment kept, whatever the spelling; what is there already is no change."""
    edit = add(write(tmp_path), "NumPy>=2")
    assert changed(edit) == ['-    "numpy<2",   # arrays', '+    "NumPy>=2",   # arrays']
    assert edit.changes == ("numpy<2 → NumPy>=2",)
    assert add(tmp_path, "six").changes == ()


def test_another_marker_is_another_requirement(tmp_path: Path) -> None:
    """One project may be wanted differently on different platforms."""
    edit = add(write(tmp_path), "six<2; sys_platform == 'win32'")
    assert changed(edit) == ["""+    "six<2; sys_platform == \\"win32\\"","""]


def test_frameworks(tmp_path: Path) -> None:
    """With --framework, or because it is one already."""
    assert changed(add(write(tmp_path), "torch==2.6.0"))[-1] == '+frameworks = { torch = "==2.6.0" }  # results'
    moved = add(tmp_path, "numpy==2.0.0", framework=True)
    assert 'numpy = "==2.0.0"' in moved.after.decode()
    assert "numpy<2" not in moved.after.decode()
    with pytest.raises(UsageError, match="A framework is a project"):
        add(tmp_path, "jax[cuda12]==0.4", framework=True)


def test_new_list_is_one_a_line(tmp_path: Path) -> None:
    """Before the tables that follow."""
    edit = add(
        write(tmp_path, MANIFEST.replace('dependencies = [\n    "numpy<2",   # arrays\n    "six",\n]\n', "")), "b"
    )
    assert 'dependencies = [\n    "b",\n]\n\n[env.train.image]  # image' in edit.after.decode()


def test_nothing_comes_between_a_comment_and_its_line(tmp_path: Path) -> None:
    """Lists with comments on lines of their own get new rows at their end."""
    text = MANIFEST.replace('    "six",', '    # for python 2\n    "six",')
    assert '    # for python 2\n    "six",\n    "pandas",\n]' in add(write(tmp_path, text), "pandas").after.decode()


def test_remove(tmp_path: Path) -> None:
    """By project, among dependencies and frameworks; a list that is empty goes."""
    edit = remove_requirements(write(tmp_path), None, ["SIX"])
    assert edit.after.decode() == MANIFEST.replace('    "six",\n', "")
    edit = remove_requirements(tmp_path, None, ["torch"])
    assert "frameworks" not in edit.after.decode()
    edit = remove_requirements(tmp_path, None, ["six", "numpy"])
    assert "dependencies" not in edit.after.decode()
    assert edit.changes == ("removed six", "removed numpy<2")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["sixx"], "Did you mean 'six'?"),
        (["six", "numpy", "torch"], "asks for nothing"),
    ],
)
def test_remove_refuses(tmp_path: Path, names: list[str], said: str) -> None:
    """What is not there, and what would leave nothing."""
    with pytest.raises(UsageError) as caught:
        remove_requirements(write(tmp_path), None, names)
    assert said in str(caught.value)


def test_what_comes_from_a_file_is_said(tmp_path: Path) -> None:
    """The hint names the file to look into."""
    text = '[env.x]\npython = "3.11"\nfrom = "requirements.txt"\n'
    with pytest.raises(UsageError) as caught:
        remove_requirements(write(tmp_path, text), None, ["pandas"])
    assert caught.value.hint == "Look into requirements.txt."


SHARED = '[env.base]\nabstract = true\ndependencies = ["six"]\n'
SHARED += "".join(f'[env.{name}]\nextends = "base"\npython = "3.11"\n' for name in ("a", "b"))


def test_shared_parts(tmp_path: Path) -> None:
    """An edit of an abstract environment concerns everything that extends it."""
    write(tmp_path, SHARED)
    assert add(tmp_path, "attrs", env="base").affected == ("a", "b")
    assert add(tmp_path, "attrs", env="b").affected == ("b",)
    with pytest.raises(UsageError, match="several environments"):
        add(tmp_path, "attrs")
    with pytest.raises(UsageError) as caught:
        add(tmp_path, "attrs", env="bse")
    assert caught.value.hint == "Did you mean 'base'?"


def test_pyproject(tmp_path: Path) -> None:
    """[tool.envlock] is edited where it stands, the rest of the file untouched."""
    inside = '[project]\nname = "c"  # c\n\n' + MANIFEST.replace("[env", "[tool.envlock.env")
    edit = add(write(tmp_path, inside, "pyproject.toml"), "pandas")
    assert edit.path.name == "pyproject.toml"
    assert changed(edit) == ['+    "pandas",']


def test_add_refuses_what_is_no_requirement(tmp_path: Path) -> None:
    """With an example."""
    with pytest.raises(UsageError, match="PEP 508"):
        add(write(tmp_path), "six = 1")
