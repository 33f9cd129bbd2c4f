"""What [env.NAME.image] may say: commands, variables, folders, users, repositories, project files and steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.model.manifest import ImageTable
from envlock.model.manifest_parser import find_manifest

HEAD = '[env.a]\npython = "3.11"\ndependencies = ["six"]\n'
BASE = '[env.a.image]\nbase = "debian-bookworm-python3.11"\n'


def image_of(folder: Path, text: str, name: str = "a") -> ImageTable:
    (folder / "envlock.toml").write_text(text, "utf-8")
    image = find_manifest(folder).environment(name).image
    assert image is not None
    return image


def refused(folder: Path, text: str) -> UsageError:
    with pytest.raises(UsageError) as raised:
        image_of(folder, text)
    assert raised.value.where.startswith("envlock.toml: env.a.")
    assert raised.value.expected
    return raised.value


def test_everything_an_image_may_say(tmp_path: Path) -> None:
    """Each key at its fullest."""
    image = image_of(
        tmp_path,
        HEAD
        + BASE
        + 'entrypoint = ["python", "-m", "churn"]\ncmd = ["--epochs", "3", ""]\nworkdir = "/srv/churn"\n'
        + 'user = "1000:users"\nrepository = "localhost:5000/team/churn"\nrun = ["make-cache --all"]\n'
        + 'include = ["src/", "train.py", "conf/*.yaml", "."]\n'
        + 'env = { PATH = "/opt/venv/bin:/usr/bin", MODE = "", _x1 = "a=b c" }\n',
    )
    assert image.env == {"PATH": "/opt/venv/bin:/usr/bin", "MODE": "", "_x1": "a=b c"}
    assert image.cmd == ("--epochs", "3", "")


@pytest.mark.parametrize(
    ("line", "where", "what"),
    [
        ("entrypoint = 'python'", "image.entrypoint", "Expected `array`, got `str`"),
        ("cmd = [1]", "image.cmd[0]", "Expected `str`, got `int`"),
        ("entrypoint = ['']", "image.entrypoint", "names no program"),
        (r'cmd = ["a\u0000b"]', "image.cmd", "NUL"),
        ("env = { A-B = '1' }", "image.env", "cannot have this name"),
        ("env = { '1A' = '1' }", "image.env", "cannot have this name"),
        ("env = { A = 1 }", "image.env[...]", "Expected `str`, got `int`"),
        (r'env = { A = "\u0000" }', "image.env.A", "NUL"),
        ("env = { PATH = '/usr/bin' }", "image.env.PATH", "would be another one"),
        ("env = { VIRTUAL_ENV = '/venv' }", "image.env.VIRTUAL_ENV", "has the locked environment"),
        ("workdir = 'app'", "image.workdir", "not an absolute path"),
        ("workdir = '/app/'", "image.workdir", "not an absolute path"),
        ("workdir = '/app/../etc'", "image.workdir", "not an absolute path"),
        ("workdir = '//app'", "image.workdir", "not an absolute path"),
        ("user = 'Root User'", "image.user", "neither a name nor a number"),
        ("user = '1000:'", "image.user", "neither a name nor a number"),
        ("repository = 'https://registry.example.com/team'", "image.repository", "is none"),
        ("repository = 'registry.example.com/Team'", "image.repository", "is none"),
        ("repository = 'registry.example.com/team:v1'", "image.repository", "a tag or a digest"),
        (f"repository = 'team/churn@sha256:{'0' * 64}'", "image.repository", "a tag or a digest"),
        ("include = ['/src']", "image.include", "is relative"),
        ("include = ['C:/src']", "image.include", "is relative"),
        ("include = ['src\\lib']", "image.include", "forward slashes"),
        ("include = ['../shared']", "image.include", "climbs out"),
        ("include = ['src/../../x']", "image.include", "climbs out"),
        ("include = ['']", "image.include", "is no pattern"),
        ("include = ['!src']", "image.include", "is no pattern"),
        ("include = ['conf/[a']", "image.include", "is no pattern"),
        ("run = [' ']", "image.run", "is empty"),
        ("include = ['src']\nworkdir = '/opt/venv/x'", "image.workdir", "cannot be put there"),
        ("include = ['src']\nworkdir = '/'", "image.workdir", "cannot be put there"),
        ("include = ['src']\nworkdir = '/lib/x'", "image.workdir", "cannot be put there"),
        ("include = ['src']\nworkdir = '/root/app'", "image.workdir", "cannot be put there"),
        ("include = ['src']\nworkdir = '/home/ana/app'", "image.workdir", "cannot be put there"),
    ],
)
def test_what_is_refused(tmp_path: Path, line: str, where: str, what: str) -> None:
    """The key, what was expected and what was found are said."""
    error = refused_loosely(tmp_path, HEAD + BASE + line + "\n")
    assert error.where == f"envlock.toml: env.a.{where}"
    assert what in error.what


def refused_loosely(folder: Path, text: str) -> UsageError:
    with pytest.raises(UsageError) as raised:
        image_of(folder, text)
    assert raised.value.exit_code == 2
    assert str(folder) not in str(raised.value)
    return raised.value


def test_settings_and_image_must_agree(tmp_path: Path) -> None:
    """Those of settings would win in a container: two values for one name are refused, also those of `threads`."""
    settings = '[env.a.settings]\nthreads = 4\nenv = { MODE = "x" }\n'
    assert image_of(tmp_path, HEAD + BASE + 'env = { MODE = "x", OMP_NUM_THREADS = "4" }\n' + settings)
    error = refused(tmp_path, HEAD + BASE + 'env = { MODE = "y" }\n' + settings)
    assert (error.where, error.expected, error.found) == (
        "envlock.toml: env.a.image.env.MODE",
        "'x', as env.a.settings has it",
        "'y'",
    )
    assert refused(tmp_path, HEAD + BASE + 'env = { OMP_NUM_THREADS = "8" }\n' + settings).found == "'8'"


def test_settings_name_variables_too(tmp_path: Path) -> None:
    """A name that no shell could set is refused there as well."""
    error = refused(tmp_path, HEAD + '[env.a.settings]\nenv = { "A B" = "1" }\n')
    assert error.where == "envlock.toml: env.a.settings.env"


def test_workdir_without_project_files(tmp_path: Path) -> None:
    """Where nothing is put there, any folder of the base will do."""
    assert image_of(tmp_path, HEAD + BASE + 'workdir = "/root"\n').workdir == "/root"


PARENT = """\
[env.shared]
abstract = true
dependencies = ["six"]
[env.shared.image]
base = "debian-bookworm-python3.11"
entrypoint = ["python"]
cmd = ["-m", "churn"]
env = { A = "1", B = "1" }
run = ["first"]
include = ["src/"]
user = "1000"
[env.a]
extends = "shared"
python = "3.11"
"""


def test_extends_merges_the_keys_of_images(tmp_path: Path) -> None:
    """Variables by name, steps and files as the parents' and then the own ones, scalars and commands replaced."""
    image = image_of(
        tmp_path,
        PARENT + '[env.a.image]\ncmd = ["-c", "1"]\nenv = { B = "2" }\nrun = ["then"]\ninclude = ["src/", "conf/"]\n',
    )
    assert (image.base, image.user) == ("debian-bookworm-python3.11", "1000")
    assert (image.entrypoint, image.cmd) == (("python",), ("-c", "1"))
    assert image.env == {"A": "1", "B": "2"}
    assert (image.run, image.include) == (("first", "then"), ("src/", "conf/"))


def test_another_entrypoint_drops_the_inherited_arguments(tmp_path: Path) -> None:
    """As in a Dockerfile: arguments of one program are none of another."""
    image = image_of(tmp_path, PARENT + '[env.a.image]\nentrypoint = ["serve"]\n')
    assert (image.entrypoint, image.cmd) == (("serve",), ())


def test_image_without_a_base(tmp_path: Path) -> None:
    """Some table has to bring one."""
    with pytest.raises(UsageError, match="missing required field `base`"):
        image_of(tmp_path, HEAD + "[env.a.image]\nbytecode = false\n")
