"""Environments that lie, break or never end: verify tells the truth about them or exits 3, and never 0."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from envlock.adapters.interpreter import TargetPython
from envlock.model.lock import LockFile
from envlock.model.terms import Terms
from envlock.operations.verify import Witnesses, verify_environment
from tests.integration.project import Project, Result
from tests.unit.venvs import demo_wheel, lock_of

FEATURE = f"{sys.version_info[0]}.{sys.version_info[1]}"
BASE = Path(sys.executable).resolve()
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="makes a program of its own")


class Hostile(msgspec.Struct, frozen=True):
    """A project whose environment uv made of one locked wheel, before somebody was at it."""

    project: Project
    venv: Path
    lock: LockFile
    wheel: Path

    @property
    def site(self) -> Path:
        """Where its packages are."""
        return self.venv / f"lib/python{FEATURE}/site-packages"

    def verify(self, *options: str, environment: dict[str, str] | None = None) -> Result:
        """Verify every byte of it."""
        return self.project.run("verify", "demo", "--frozen", "--full", "--json", *options, environment=environment)

    def rules(self) -> tuple[int, set[str]]:
        """Return the exit code, and the rules of all findings but for information, without a process of envlock's."""
        verdict = verify_environment(
            self.lock,
            self.venv,
            folder=self.project.lock_path("demo").parent,
            witnesses=Witnesses(records=lambda _: None, interpreter=TargetPython()),
            terms=Terms(full=True),
        )
        return verdict.exit_code, {f.rule for f in verdict.findings if f.severity != "info"}


@pytest.fixture
def hostile(tmp_path: Path) -> Hostile:
    """An environment that matches its lock."""
    wheel = demo_wheel(tmp_path / "wheels")
    return made(tmp_path, wheel)


def made(folder: Path, wheel: Path) -> Hostile:
    from uv import find_uv_bin

    project = Project(
        folder / "project", f'[env.demo]\npython = "{FEATURE}"\ndependencies = ["demo"]\n', cache=folder / "cache"
    )
    lock = lock_of([wheel], python=FEATURE)
    project.lock_path("demo").parent.mkdir()
    project.lock_path("demo").write_bytes(lock.raw)
    venv = project.folder / ".venv"
    environment = {"UV_CACHE_DIR": str(folder / "uv"), "PATH": os.environ["PATH"], "HOME": str(folder)}
    for command in (
        ["venv", "--python", str(BASE), str(venv)],
        ["pip", "install", "--python", str(venv), "--no-index", "--no-deps", "--link-mode", "copy", str(wheel)],
    ):
        subprocess.run([find_uv_bin(), *command, "--quiet", "--no-config"], check=True, env=environment)
    return Hostile(project, venv, lock, wheel)


def replace_python(hostile: Hostile, text: str) -> None:
    """Put a script in the place of every python of the environment."""
    for path in (hostile.venv / "bin").glob("python*"):
        path.unlink()
    python = hostile.venv / "bin/python"
    python.write_text(text)
    python.chmod(0o755)


def test_it_matches_before_anybody_was_at_it(hostile: Hostile) -> None:
    """The environment of these tests is clean to begin with."""
    assert hostile.rules() == (0, set())
    result = hostile.verify()
    assert (result.code, result.json["findings"]) == (0, [])


def test_startup_code_that_patches_hashlib_and_open(hostile: Hostile, tmp_path: Path) -> None:
    """Nothing of it runs while envlock looks: a tampered file is seen, and so is the code that would have hidden it."""
    ran = tmp_path / "ran"
    patch = (
        f"open({str(ran)!r}, 'w').close()\n"
        "import builtins, hashlib, io\n"
        "hashlib.sha256 = lambda *a, **k: None\n"
        "builtins.open = io.open = lambda *a, **k: io.StringIO('value = 1')\n"
    )
    for name in ("sitecustomize.py", "usercustomize.py"):
        (hostile.site / name).write_text(patch)
    (hostile.site / "zz.pth").write_text(f"import sys; exec({patch!r})\n")
    module = hostile.site / "demo/__init__.py"
    module.write_text("value = 2\n")
    assert hostile.verify().code == 4
    assert hostile.rules() == (4, {"startup-code", "file-tampered"})
    assert not ran.exists()
    module.write_text("value = 1\n")
    assert hostile.rules() == (1, {"startup-code"})


def test_variables_of_the_caller_do_not_reach_the_target(hostile: Hostile, tmp_path: Path) -> None:
    """PYTHONSTARTUP, PYTHONHOME and VIRTUAL_ENV of a shell change nothing of what is seen."""
    elsewhere = {"PYTHONSTARTUP": "/nowhere", "VIRTUAL_ENV": str(tmp_path), "CONDA_PREFIX": str(tmp_path)}
    assert hostile.verify(environment=elsewhere).code == 0


def test_script_that_lies_about_its_version(hostile: Hostile) -> None:
    """A script in the place of python is not even asked."""
    ran = hostile.project.folder / "ran"
    replace_python(hostile, f'#!/bin/sh\ntouch {ran}\nexec {BASE} "$@"\n')
    assert hostile.rules() == (3, {"target-unknown"})
    assert not ran.exists()


LIAR = r"""
#include <stdio.h>
int main(int argc, char **argv) {
    char line[1 << 16]; size_t n = fread(line, 1, sizeof line, stdin); (void)n; (void)argc; (void)argv;
    puts(ANSWER);
    return 0;
}
"""


@needs_cc
@pytest.mark.parametrize("version", ["same", "other"])
def test_program_that_lies_about_its_version(hostile: Hostile, version: str) -> None:
    """A program that answers as Python does, and holds no Python, proves nothing."""
    feature = FEATURE if version == "same" else "3.9"
    answer = {
        "implementation": "cpython",
        "version": f"{feature}.9",
        "system": "linux",
        "machine": "x86_64",
        "libc": "",
        "executable": str(hostile.venv / "bin/python"),
        "prefix": str(hostile.venv),
        "venv": True,
        "sites": [str(hostile.site)],
        "scripts": str(hostile.venv / "bin"),
        "data": str(hostile.venv),
        "headers": [str(hostile.venv / "include/site" / f"python{FEATURE}")],
    }
    source = hostile.project.folder / "liar.c"
    source.write_text(LIAR)
    program = hostile.project.folder / "base/bin" / f"python{FEATURE}"
    program.parent.mkdir(parents=True)
    text = json.dumps(json.dumps(answer))
    subprocess.run(["cc", f"-DANSWER={text}", "-o", program, source], check=True)
    for path in (hostile.venv / "bin").glob("python*"):
        path.unlink()
        path.symlink_to(program)
    (hostile.venv / "pyvenv.cfg").write_text(f"home = {program.parent}\nversion_info = {FEATURE}.0\n")
    code, rules = hostile.rules()
    assert code == (3 if version == "same" else 1)
    assert "python-contradiction" in rules


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\necho garbage\ncat\n",
        "#!/bin/sh\nwhile :; do sleep 1; done\n",
        "#!/bin/sh\nexit 7\n",
        "not a program",
        "",
    ],
    ids=["garbage", "endless", "failing", "text", "empty"],
)
def test_broken_interpreters(hostile: Hostile, text: str) -> None:
    """Whatever stands in the place of python, the files of the environment are judged all the same."""
    replace_python(hostile, text)
    assert hostile.rules() == (3, {"target-unknown"})
    (hostile.site / "demo/__init__.py").write_text("value = 2\n")
    assert hostile.rules() == (4, {"target-unknown", "file-tampered"})


@pytest.mark.parametrize("how", ["gone", "dangling", "loop", "fifo", "folder", "socket", "device"])
def test_interpreters_that_are_not_there(hostile: Hostile, how: str) -> None:
    """A link that leads nowhere, and things that are no files, are told and never waited for."""
    for path in (hostile.venv / "bin").glob("python*"):
        path.unlink()
    python = hostile.venv / "bin/python"
    make: dict[str, Callable[[], object]] = {
        "gone": lambda: None,
        "dangling": lambda: python.symlink_to("/nonexistent/python3"),
        "loop": lambda: python.symlink_to("python"),
        "fifo": lambda: os.mkfifo(python),
        "folder": python.mkdir,
        "socket": lambda: _listen(python),
        "device": lambda: python.symlink_to("/dev/zero"),
    }
    make[how]()
    code, rules = hostile.rules()
    assert (code, "target-unknown" in rules) == (3, True)


def _listen(path: Path) -> None:
    here = os.getcwd()  # noqa: PTH109 - names of sockets are short
    with socket.socket(socket.AF_UNIX) as made_here:
        os.chdir(path.parent)
        try:
            made_here.bind(path.name)
        finally:
            os.chdir(here)


@pytest.mark.parametrize("name", ["python._pth", f"python{FEATURE}._pth", "pyvenv.cfg"])
def test_standard_library_from_elsewhere(hostile: Hostile, tmp_path: Path, name: str) -> None:
    """What sends Python to another standard library is told before anything of that library runs."""
    ran, evil = tmp_path / "ran", tmp_path / "evil"
    library = evil / f"lib/python{FEATURE}"
    library.mkdir(parents=True)
    (library / "os.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    shutil.copy(library / "os.py", library / "encodings.py")
    (evil / "bin").mkdir()
    (evil / "bin/python3").write_text("#!/bin/sh\n")
    if name == "pyvenv.cfg":
        text = (hostile.venv / name).read_text()
        lines = [f"home = {evil}/bin" if line.startswith("home") else line for line in text.splitlines()]
        (hostile.venv / name).write_text("\n".join(lines))
    else:
        (hostile.venv / "bin" / name).write_text(f"{library}\n")
    code, rules = hostile.rules()
    assert (code, rules - {"file-unrecorded"}) == (3, {"target-unknown"})
    assert not ran.exists()


@pytest.mark.parametrize("how", ["script", "other program"])
def test_other_programs_called_python(hostile: Hostile, how: str) -> None:
    """python3 that is another program than python is told: an error for a script, a warning for a program."""
    (hostile.venv / "bin/python3").unlink()
    if how == "script":
        (hostile.venv / "bin/python3").write_text("#!/bin/sh\n")
    else:
        (hostile.venv / "bin/python3").symlink_to("/bin/sh")
    assert hostile.rules() == (1 if how == "script" else 0, {"program-impostor"})


def test_unreadable_file(hostile: Hostile) -> None:
    """A file that may not be read is neither proven nor tampered with: exit 3 and its name."""
    module = hostile.site / "demo/__init__.py"
    module.chmod(0)
    command = [sys.executable, "-m", "envlock", "verify", "demo", "--frozen", "--full", "--json"]
    if os.geteuid() == 0:
        os.chown(module, 4321, 4321)
        if subprocess.run(["unshare", "-Ur", "true"], check=False).returncode != 0:
            pytest.skip("root reads every file, and user namespaces are forbidden")
        command = ["unshare", "-Ur", *command]
    result = hostile.project.run_command(*command)
    (finding,) = [f for f in result.json["findings"] if f["severity"] == "error"]
    assert (result.code, finding["rule"]) == (3, "package-unproven")
    assert "__init__.py: it cannot be read: Permission denied" in finding["found"]


@pytest.mark.parametrize("thing", ["fifo", "socket", "folder", "loop", "device"])
def test_things_in_the_place_of_a_module(hostile: Hostile, thing: str) -> None:
    """What is no file is never waited for, and is no pass."""
    module = hostile.site / "demo/__init__.py"
    module.unlink()
    make: dict[str, Callable[[], object]] = {
        "fifo": lambda: os.mkfifo(module),
        "socket": lambda: _listen(module),
        "folder": module.mkdir,
        "loop": lambda: module.symlink_to(module.name),
        "device": lambda: module.symlink_to("/dev/zero"),
    }
    make[thing]()
    code, rules = hostile.rules()
    assert (code, rules) in ((4, {"file-tampered"}), (3, {"package-unproven"}), (1, {"file-missing"}))


def test_names_that_are_not_utf_8(hostile: Hostile) -> None:
    """They are listed, escaped, beside whatever else is wrong; nothing breaks on them."""
    site = os.fsencode(hostile.site)
    for name in (b"caf\xe9.py", b"demo/\xff\xfe.py", b"demo/esc\x1b[31m.txt", b"\xff.pth", b"line\nbreak.py"):
        with open(os.path.join(site, name), "wb") as file:  # noqa: PTH118, PTH123 - bytes
            file.write(b"import os\n")
    code, rules = hostile.rules()
    assert (code, rules) == (1, {"startup-code", "module-shadowed", "file-unrecorded"})
    text = hostile.project.run("verify", "demo", "--frozen", "--full", "-v")
    assert text.code == 1
    assert "\x1b" not in text.out
    (hostile.site / "demo/native.so").write_bytes(b"other")
    assert hostile.verify().code == 4


def test_package_of_a_hundred_thousand_files(hostile: Hostile) -> None:
    """It is walked and told in one line."""
    folder = hostile.site / "huge"
    for at in range(100):
        (folder / str(at)).mkdir(parents=True)
        first = folder / str(at) / "0.txt"
        first.touch()
        for number in range(1, 1000):
            os.link(first, folder / str(at) / f"{number}.txt")
    result = hostile.verify("--quick", "--strict")
    (finding,) = result.json["findings"]
    assert (result.code, finding["rule"]) == (1, "file-unrecorded")
    assert finding["found"] == "100000 files of nobody, 0 of them importable"


def test_file_shared_with_the_cache_of_an_installer(hostile: Hostile, tmp_path: Path) -> None:
    """uv links files from its cache: the fix names the cache too, which would install the bad file again."""
    module = hostile.site / "demo/__init__.py"
    os.link(module, tmp_path / "cached.py")
    module.write_text("value = 2\n")
    (finding,) = hostile.verify().json["findings"]
    assert finding["fix"].startswith("envlock sync demo --reinstall && uv cache clean demo")


def test_module_beside_the_standard_library(hostile: Hostile, tmp_path: Path) -> None:
    """site-packages come after the standard library, where a module of a locked name would be found first."""
    base = tmp_path / "base"
    for name in ("bin", "lib"):
        (base / name).mkdir(parents=True)
    shutil.copy(BASE, base / f"bin/python{FEATURE}")
    for library in (BASE.parent.parent / "lib").glob("libpython*"):
        (base / "lib" / library.name).symlink_to(library)
    real = Path(os.__file__).parent
    own = base / f"lib/python{FEATURE}"
    own.mkdir()
    for path in real.iterdir():
        (own / path.name).symlink_to(path)
    (own / "demo.py").write_text("value = 3\n")
    for path in (hostile.venv / "bin").glob("python*"):
        path.unlink()
    (hostile.venv / "bin/python").symlink_to(base / f"bin/python{FEATURE}")
    config = hostile.venv / "pyvenv.cfg"
    lines = [f"home = {base}/bin" if x.startswith("home") else x for x in config.read_text().splitlines()]
    config.write_text("\n".join(lines))
    assert hostile.rules() == (1, {"module-shadowed"})
