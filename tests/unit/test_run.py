"""`envlock run`: what a command sees in the venv, and what an Engine is asked for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from envlock.adapters.containers import create_options, first_process
from envlock.errors import StaleError, UsageError
from envlock.model.container import Container, Mount, parse_mount
from envlock.model.factors import marker_of, variables_here
from envlock.model.hardware import AcceleratorClass, Facts, HardwareClass
from envlock.model.lock import ImageConfig, LockFile, Settings
from envlock.model.platform import Platform
from envlock.operations.run import (
    chosen_variables,
    local_command,
    out_of_step,
    refuse_out_of_step,
    said_dropped,
    said_out_of_step,
)
from envlock.operations.run_image import container_for, engine_image, gpus_of
from tests.unit.images import AMD64, lock_of
from tests.unit.wheels import make_wheel

NVIDIA = HardwareClass(accelerator=AcceleratorClass(kind="nvidia"))
NONE = HardwareClass(accelerator=AcceleratorClass(kind="none"))
SETTINGS = Settings(threads=2, env={"PYTHONHASHSEED": "0"})


@pytest.fixture
def lock_file(tmp_path: Path) -> LockFile:
    """A lock of two packages, with settings."""
    return lock_of([make_wheel(tmp_path, "one"), make_wheel(tmp_path, "two")], settings=SETTINGS)


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A virtual environment of files alone, with a program and both packages."""
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("version = 3.9.2\n")
    program = folder / "bin" / "train"
    program.write_text("#!/bin/sh\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    for name in ("one", "two"):
        (folder / f"lib/python3.9/site-packages/{name}-1.0.dist-info").mkdir(parents=True)
    return folder


def container(lock_file: LockFile, folder: Path, **more: object) -> Container:
    options: dict[str, object] = {"project": folder, "cwd": folder, "user": "1000:1000", "gpus": None, "extra": {}}
    return container_for(lock_file, "sha256:id", ["python", "x.py"], **(options | more))  # type: ignore[arg-type]


def test_a_command_gets_the_environment_and_its_settings(lock_file: LockFile, venv: Path) -> None:
    """The venv's programs first, once; what is locked before what is set here, and -e before both."""
    path = os.pathsep.join(["/bin", str(venv / "bin")])
    here = {"PATH": path, "OMP_NUM_THREADS": "9", "HOME": "/h", "CONDA_PREFIX": "/c", "PYTHONPATH": "x"}
    ready = local_command(lock_file, venv, ["train", "--fast"], environment=here, extra={"PYTHONHASHSEED": "7"})
    assert ready.program == venv / "bin" / "train"
    assert ready.argv == ("train", "--fast")
    assert ready.environment == {
        "PATH": os.pathsep.join([str(venv / "bin"), "/bin"]),
        "HOME": "/h",
        "VIRTUAL_ENV": str(venv),
        "PYTHONHASHSEED": "7",
        "ENVLOCK_RUN": f"demo@{lock_file.digest}",
    } | dict.fromkeys(SETTINGS.variables.keys() - {"PYTHONHASHSEED"}, "2")
    assert ready.dropped == ("PYTHONPATH",)


def test_a_variable_that_is_asked_for_is_not_dropped(lock_file: LockFile, venv: Path) -> None:
    """-e PYTHONPATH passes it on."""
    here = {"PATH": "/bin", "PYTHONPATH": "src"}
    extra = chosen_variables(["PYTHONPATH", "A=b=c", "NOT_SET"], here)
    ready = local_command(lock_file, venv, ["train"], environment=here, extra=extra)
    assert extra == {"PYTHONPATH": "src", "A": "b=c"}
    assert (ready.environment["PYTHONPATH"], ready.dropped) == ("src", ())
    with pytest.raises(UsageError) as caught:
        chosen_variables(["=secret"], {})
    assert (caught.value.reference, caught.value.found) == ("bad-variable", "")


def test_what_changes_numbers_and_is_not_locked_is_dropped(lock_file: LockFile, venv: Path) -> None:
    """Said by name, for -e to keep it; only where a locked package reads it, and threads only where they are locked."""
    here = {"PATH": "/bin", "GLIBC_TUNABLES": "x=y", "TF_ENABLE_ONEDNN_OPTS": "1", "CUDA_VISIBLE_DEVICES": "0"}
    ready = local_command(lock_file, venv, ["train"], environment=here, extra={})
    assert ready.dropped == ("GLIBC_TUNABLES",)
    assert {"TF_ENABLE_ONEDNN_OPTS", "CUDA_VISIBLE_DEVICES"} <= ready.environment.keys()
    assert "GLIBC_TUNABLES" not in ready.environment
    assert said_dropped("GLIBC_TUNABLES") == (
        "GLIBC_TUNABLES is not passed on, for it changes numbers and the lock does not set it; "
        "with -e GLIBC_TUNABLES it is."
    )
    kept = local_command(lock_file, venv, ["train"], environment=here, extra={"GLIBC_TUNABLES": "x=y"})
    assert (kept.dropped, kept.environment["GLIBC_TUNABLES"]) == ((), "x=y")


def test_a_command_is_marked_as_one_with_the_settings(lock_file: LockFile, venv: Path) -> None:
    """So that `envlock verify` in it judges them, and only for this lock."""
    ready = local_command(lock_file, venv, ["train"], environment={"PATH": "/bin"}, extra={})
    mark = marker_of("demo", lock_file.digest)
    assert variables_here(ready.environment, marker=mark).origin == "run"
    assert variables_here(ready.environment, marker=marker_of("demo", "0" * 64)).origin == "shell"


def test_what_cannot_be_run_says_the_next_step(lock_file: LockFile, venv: Path, tmp_path: Path) -> None:
    """No venv, a folder that is none, another Python, no such command."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    cases = [
        (tmp_path / "none", "train", "no-venv"),
        (tmp_path / "folder", "train", "not-a-venv"),
        (venv, "no-such-program", "no-command"),
    ]
    for folder, program, reference in cases:
        with pytest.raises(UsageError) as caught:
            local_command(lock_file, folder, [program], environment={"PATH": "/bin"}, extra={})
        assert caught.value.reference == reference
    (venv / "pyvenv.cfg").write_text("version = 3.11.2\n")
    with pytest.raises(UsageError) as caught:
        local_command(lock_file, venv, ["train"], environment={}, extra={})
    assert caught.value.reference == "other-python"


def test_an_environment_out_of_step_is_said(lock_file: LockFile, venv: Path) -> None:
    """Missing, another version, interrupted; a warning, or an error where it is asked for."""
    site = venv / "lib/python3.9/site-packages"
    assert out_of_step(lock_file.lock, AMD64, venv) == ()
    refuse_out_of_step((), "demo")
    (site / "one-1.0.dist-info").rename(site / "one-1.1.dist-info")
    (site / "two-1.0.dist-info").rmdir()
    found = out_of_step(lock_file.lock, AMD64, venv)
    assert found == ("one 1.1, locked 1.0", "two missing, locked 1.0")
    with pytest.raises(StaleError) as caught:
        refuse_out_of_step(found, "demo")
    assert (caught.value.exit_code, caught.value.found) == (1, "one 1.1, locked 1.0; 1 more")
    assert said_out_of_step(found, "demo").endswith("(one 1.1, locked 1.0; 1 more); run `envlock sync demo`.")
    (venv / ".envlock-unfinished").touch()
    assert out_of_step(lock_file.lock, AMD64, venv) == ("its sync was interrupted",)


def test_versions_are_compared_as_versions(tmp_path: Path, venv: Path) -> None:
    """2021.05.30 of a folder's name is 2021.5.30 of a lock."""
    lock_file = lock_of([make_wheel(tmp_path, "certs", "2021.5.30")])
    (venv / "lib/python3.9/site-packages/certs-2021.05.30.dist-info").mkdir()
    assert out_of_step(lock_file.lock, AMD64, venv) == ()


def test_a_container_works_where_the_caller_is(lock_file: LockFile, tmp_path: Path) -> None:
    """The project at /app, or at the image's working directory; a folder of it as a folder of it."""
    (tmp_path / "sub").mkdir()
    made = container(lock_file, tmp_path, cwd=tmp_path / "sub", mounts=[Mount(source="/data", target="/data")])
    assert made.workdir == "/app/sub"
    assert made.mounts == (Mount(source=str(tmp_path), target="/app"), Mount(source="/data", target="/data"))
    assert made.interpreter == "/usr/bin/python3.9"
    lock = replace(lock_file.lock, image=ImageConfig(workdir="/srv", env={"HOME": "/srv"}))
    made = container(replace(lock_file, lock=lock), tmp_path, cwd=tmp_path.parent)
    assert (made.workdir, made.mounts[0].target, "HOME" in made.variables) == ("/srv", "/srv", False)


def test_who_need_not_be_known_inside_has_a_home_and_a_name(lock_file: LockFile, tmp_path: Path) -> None:
    """Else getpass.getuser and ~ fail; the image's own user has both. -e goes before it."""
    assert container(lock_file, tmp_path, extra={"USER": "ana"}).variables == {
        "HOME": "/tmp",
        "USER": "ana",
        "LOGNAME": "envlock",
    }
    assert container(lock_file, tmp_path, user=None).variables == {}


def test_gpus_follow_from_the_lock(lock_file: LockFile) -> None:
    """Required where every class has them, wanted where some have, never where CUDA was not asked for."""
    lock = lock_file.lock
    assert gpus_of(lock) == "none"
    assert gpus_of(replace(lock, facts=Facts(cuda="11.2"))) == "none"
    assert gpus_of(replace(lock, facts=Facts(cuda="11.2"), cuda="wheels")) == "required"
    assert gpus_of(replace(lock, hardware={"a": NVIDIA})) == "required"
    assert gpus_of(replace(lock, hardware={"a": NVIDIA, "b": NONE})) == "wanted"
    assert (
        gpus_of(replace(lock, hardware={"b": NONE, "c": HardwareClass()}, cuda="wheels", facts=Facts(cuda="12")))
        == "wanted"
    )


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("data:/data", Mount(source="/here/data", target="/data")),
        ("/a:/b:ro", Mount(source="/a", target="/b", read_only=True)),
        ("../x:/b:rw", Mount(source="/x", target="/b")),
    ],
)
def test_mounts_are_read_as_docker_reads_them(text: str, mount: Mount) -> None:
    """Relative sources begin where the caller is."""
    assert parse_mount(text, "/here") == mount


@pytest.mark.parametrize("text", ["data", "data:data", ":/x", "a:/b:rx", ""])
def test_what_is_no_mount_is_refused(text: str) -> None:
    """Named, with the form."""
    with pytest.raises(UsageError) as caught:
        parse_mount(text, "/here")
    assert caught.value.reference == "bad-mount"


def test_an_engine_is_asked_for_exactly_this() -> None:
    """The image by its ID, our first process instead of the entrypoint, and nothing that stays."""
    asked = Container(
        image="sha256:id",
        interpreter="/usr/bin/python3",
        argv=("python", "x.py"),
        workdir="/app",
        user="1:2",
        network="none",
        mounts=(Mount(source="/p", target="/app"),),
    )
    options = create_options(asked, terminal=False, gpus=False)
    host = options.pop("host_config")
    assert options["image"] == "sha256:id"
    assert [*options["entrypoint"], *options["command"]] == [
        "/usr/bin/python3",
        "-I",
        "-S",
        "-B",
        "-c",
        first_process(),
        "python",
        "x.py",
    ]
    assert (options["user"], options["working_dir"], options["tty"]) == ("1:2", "/app", False)
    assert host["mounts"] == [{"Target": "/app", "Source": "/p", "Type": "bind", "ReadOnly": False}]
    assert (host["auto_remove"], host["network_mode"]) == (True, "none")
    assert host["security_opt"] == ["no-new-privileges"]
    assert host.keys() == {"auto_remove", "network_mode", "mounts", "log_config", "security_opt"}
    host = create_options(asked, terminal=True, gpus=True, labelled=True)["host_config"]
    assert host["device_requests"][0]["Count"] == -1
    assert host["device_requests"][0]["Capabilities"] == [["gpu", "compute", "utility"]]
    assert host["security_opt"] == ["no-new-privileges", "label=disable"]


def test_an_image_is_run_only_where_the_lock_is_for(lock_file: LockFile, tmp_path: Path) -> None:
    """An Engine of another machine needs another lock, or emulation."""

    class Arm:
        platform = Platform("linux", "arm64")

    with pytest.raises(UsageError) as caught:
        engine_image(lock_file, folder=tmp_path, sums=tmp_path, edges=None, store=Arm(), warn=print)  # type: ignore[arg-type]
    assert (caught.value.reference, caught.value.expected) == ("not-for-platform", "linux/amd64")
