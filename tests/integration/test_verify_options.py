"""`envlock verify --fix`, `--output` and `--format` through the real command, in a project with one tiny wheel."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.project import Project

STARTS = {
    "human": "tiny (locked) → .venv (found)\n",
    "json": '{\n  "schema": 1,\n  "verdict": "integrity",\n',
    "junit": '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="envlock verify tiny"',
    "sarif": '{\n  "$schema": ',
    "github": "::error file=lockfiles/pylock.tiny.toml,line=",
    "markdown": "## ✗ tiny: INTEGRITY FAILURE\n",
    "html": "<!DOCTYPE html>",
}
SUFFIXES = {"human": "txt", "junit": "xml", "markdown": "md"}


@pytest.fixture
def module(tiny: Project) -> Iterator[Path]:
    """The one module of the project's environment, tampered with until the test ends."""
    (path,) = tiny.folder.glob(".venv/lib/python*/site-packages/demo/__init__.py")
    before = path.read_bytes()
    path.write_bytes(before.replace(b"1", b"2"))
    yield path
    path.write_bytes(before)


def answered(project: Project, answer: str, *arguments: str) -> tuple[int, str]:
    """Run envlock on a terminal of its own, where somebody types an answer; return exit code and what they saw."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "envlock", *arguments],
        cwd=project.folder,
        env=os.environ | {"ENVLOCK_CACHE_DIR": str(project.cache), "NO_COLOR": "1", "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen, said = b"", False
    with os.fdopen(ours, "r+b", buffering=0) as terminal, process:
        while True:
            try:
                part = terminal.read(4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
            if b"[y/N]" in seen and not said:
                said = bool(terminal.write(answer.encode()))
    return process.returncode, seen.decode().replace("\r\n", "\n")


def test_every_format_on_stdout_and_in_a_file(tiny: Project, module: Path, tmp_path: Path) -> None:
    """--format says it on stdout; --output writes each form by its suffix or name, all of them at once."""
    files = {form: tmp_path / f"verdict.{SUFFIXES.get(form, form)}" for form in STARTS if form != "github"}
    files["github"] = tmp_path / "annotations"
    outputs = [f"--output={'github:' if form == 'github' else ''}{path}" for form, path in files.items()]
    result = tiny.run("verify", "--full", "--format", "markdown", *outputs)
    assert (result.code, result.err) == (4, "")
    assert result.out.startswith(STARTS["markdown"])
    for form, path in files.items():
        assert path.read_text("utf-8").startswith(STARTS[form]), form
        assert str(tiny.folder) not in path.read_text("utf-8"), form


def test_json_is_format_json(tiny: Project, module: Path) -> None:
    """Two spellings of one form; the exit code is in it."""
    one, other = tiny.run("verify", "--full", "--json"), tiny.run("verify", "--full", "--format", "json")
    assert (one.code, one.out) == (other.code, other.out)
    assert (one.json["exit_code"], one.json["verdict"]) == (4, "integrity")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("verdict.csv", "error: It is not clear in which form the file is to be written. [unknown-format]"),
        ("nowhere/verdict.json", "  next: Make the folder first."),
        ("json:lockfiles", "  found: a folder"),
        ("json:-", "  next: On stdout it is --format FORMAT."),
    ],
)
def test_outputs_that_cannot_be_meant(tiny: Project, output: str, message: str) -> None:
    """They are refused before anything is looked at, with exit code 2 and the reason."""
    result = tiny.run("verify", "--output", output)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_output_goes_through_links_and_into_pipes(tiny: Project, tmp_path: Path) -> None:
    """What is no file of its own is never replaced by one: /dev/stdout belongs to the whole machine."""
    (tmp_path / "link.json").symlink_to("there.json")
    (tmp_path / "stdout").symlink_to("/dev/stdout")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    outputs = [f"--output={form}{tmp_path}/{name}" for form, name in [("", "link.json"), ("markdown:", "stdout")]]
    result = tiny.run("verify", *outputs, "-o", f"junit:{tmp_path}/pipe")
    assert (result.code, result.out.splitlines()[0]) == (0, "## ✓ tiny: match")
    assert '"match"' in (tmp_path / "there.json").read_text()
    assert os.read(reader, 100).startswith(STARTS["junit"].encode())
    os.close(reader)
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "stdout").is_symlink()
    assert (tmp_path / "pipe").is_fifo()


def test_fix_without_anybody_to_ask(tiny: Project, module: Path) -> None:
    """The verdict and what would be done are told; nothing is done."""
    result = tiny.run("verify", "--full", "--fix", "--json")
    assert (result.code, result.out) == (2, "")
    assert "`envlock sync tiny` would mend 1 finding in .venv:\n  and put every file" in result.err
    assert result.err.endswith("nobody is here. [cannot-ask]\n  next: Add --yes.\n")
    assert tiny.run("verify", "--full").code == 4


def test_fix_that_was_agreed_to(tiny: Project, module: Path) -> None:
    """With --yes the files are put back; stdout has the verdict after that alone."""
    result = tiny.run("verify", "--full", "--fix", "--yes")
    assert (result.code, result.out) == (0, f"tiny: 1 package, 3 files, Python {_version()}: match\n")
    assert "INTEGRITY FAILURE" in result.err
    assert module.read_bytes() == b"value = 1\n"


def test_fix_on_a_terminal(tiny: Project, module: Path) -> None:
    """A no leaves everything and shows the verdict once; a yes mends."""
    code, seen = answered(tiny, "n\n", "verify", "--full", "--fix")
    assert (code, seen.count("INTEGRITY FAILURE")) == (4, 1)
    assert module.read_bytes() == b"value = 2\n"
    code, seen = answered(tiny, "y\n", "verify", "--full", "--fix")
    assert (code, seen.rstrip().rpartition("\n")[2].endswith(": match")) == (0, True)
    assert module.read_bytes() == b"value = 1\n"


def test_fix_of_what_quick_cannot_tell(tiny: Project, module: Path) -> None:
    """A size alone says not what happened: the way on is named."""
    module.write_bytes(b"value = 11\n")
    result = tiny.run("verify", "--fix", "--yes")
    assert (result.code, module.read_bytes()) == (1, b"value = 11\n")
    assert result.err.endswith("): envlock verify tiny --python .venv --full --fix\n")


def test_commands_name_the_environment_that_was_looked_at(tiny: Project, module: Path, tmp_path: Path) -> None:
    """sync without --venv would mend another one."""
    other = tmp_path / "my venv"
    other.symlink_to(tiny.folder / ".venv")
    assert "next:  envlock sync tiny --reinstall\n" in tiny.run("verify", "--full").out
    assert "next:  envlock sync tiny --reinstall\n" in tiny.run("verify", "--full", "--python", str(other)).out
    other.unlink()
    (other / "bin").mkdir(parents=True)
    for name in ("pyvenv.cfg", "bin/python"):
        (other / name).write_bytes(b"") if name.endswith("cfg") else (other / name).symlink_to(sys.executable)
    result = tiny.run("verify", "--python", str(other))
    assert f"envlock sync tiny --venv '{other}'" in result.out
    result = tiny.run("verify", "--python", str(other), environment={"VIRTUAL_ENV": str(other)})
    assert "--venv" not in result.out


def test_words_that_a_shell_completes(tmp_path: Path) -> None:
    """The environments after `verify`, the hardware classes of the manifest after `--on`."""
    manifest = """
[env.tiny]
python = "3.11"
dependencies = ["demo"]
hardware = ["laptop", "a100"]
[hardware.laptop]
cpus = ">=1"
[hardware.a100]
cpus = ">=8"
"""
    project = Project(tmp_path, manifest)
    cases = {"verify ": "tiny", "verify --on ": "a100 laptop", "verify tiny --on l": "laptop"}
    for words, expected in cases.items():
        typed = {"COMP_WORDS": f"envlock {words}", "COMP_CWORD": str(words.count(" ") + 1)}
        envlock = str(Path(sys.executable).with_name("envlock"))
        result = project.run_command(envlock, environment={"_ENVLOCK_COMPLETE": "bash_complete"} | typed)
        assert result.out.replace("plain,", "").split() == expected.split(), words


def _version() -> str:
    return ".".join(map(str, sys.version_info[:3]))
