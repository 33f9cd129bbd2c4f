"""Indexes are read from the manifest, uv's settings and pip's, and put together so that none is bypassed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from envlock.adapters.indexes import read_indexes
from envlock.errors import UsageError
from envlock.model.index import Index, Indexes, Login

CORP = "https://packages.example.com/simple"
OTHER = "https://other.example.com/simple"
THIRD = "https://third.example.com/simple"

Read = Callable[..., Indexes]


class Machine:
    """A machine's file system and variables."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home/ana"
        self.folder = self.home / "work/churn"
        self.folder.mkdir(parents=True)
        self.environ = {"HOME": str(self.home)}

    def write(self, path: str, text: str) -> Path:
        """Write a file: `~/…` at home, `/…` of the system, else of the project."""
        place = (
            self.home / path[2:] if path[:2] == "~/" else self.root / path[1:] if path[0] == "/" else self.folder / path
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
        return place

    def read(self, *manifest: Index, platform: str = "linux", **environ: str) -> Indexes:
        """Put this machine's settings and a manifest's indexes together."""
        return read_indexes(manifest, self.folder, self.environ | environ, platform=platform, root=self.root)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def asked(indexes: Indexes) -> list[tuple[str, bool]]:
    """Return (URL, whether it is the default) in the order of asking."""
    return [(index.url, index.default) for index in indexes.entries]


def test_nothing_said(machine: Machine) -> None:
    """Where nobody names an index, uv's own default is asked."""
    assert machine.read() == Indexes(origin="")
    assert not machine.read().entries


@pytest.mark.parametrize(
    ("path", "text", "origin"),
    [
        ("uv.toml", f'[[index]]\nurl = "{CORP}"\ndefault = true\n', "uv.toml"),
        ("../../uv.toml", f'index-url = "{CORP}"\n', "uv.toml"),
        ("pyproject.toml", f'[[tool.uv.index]]\nurl = "{CORP}"\ndefault = true\n', "pyproject.toml"),
        ("~/.config/uv/uv.toml", f'[pip]\nindex-url = "{CORP}"\n', "uv.toml"),
        ("/etc/uv/uv.toml", f'index-url = "{CORP}"\n', "uv.toml"),
        ("/etc/xdg/uv/uv.toml", f'index-url = "{CORP}"\n', "uv.toml"),
        ("~/.config/pip/pip.conf", f"[global]\nindex-url = {CORP}\n", "pip.conf"),
        ("~/.pip/pip.conf", f"[install]\nindex_url = {CORP}\n", "pip.conf"),
        ("/etc/pip.conf", f"[global]\nindex-url = {CORP}\n", "pip.conf"),
        ("/etc/xdg/pip/pip.conf", f"[global]\nindex-url = {CORP}\n", "pip.conf"),
    ],
)
def test_every_file_is_read(machine: Machine, path: str, text: str, origin: str) -> None:
    """Each place where uv or pip looks for settings names the default index."""
    machine.write(path, text)
    indexes = machine.read()
    assert asked(indexes) == [(CORP, True)]
    assert indexes.origin == origin


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"])
def test_default_by_variable(machine: Machine, variable: str) -> None:
    """Variables of uv and pip name the default, and are this machine's own."""
    indexes = machine.read(**{variable: CORP})
    assert asked(indexes) == [(CORP, True)]
    assert indexes.local == ("default",)
    assert indexes.origin == "the environment"


def test_other_platforms(machine: Machine) -> None:
    """Windows and macOS keep their settings elsewhere."""
    machine.write("~/AppData/pip/pip.ini", f"[global]\nindex-url = {CORP}\n")
    windows = {"APPDATA": str(machine.home / "AppData"), "USERPROFILE": str(machine.home)}
    assert asked(machine.read(platform="win32", **windows)) == [(CORP, True)]
    machine.write("~/AppData/uv/uv.toml", f'index-url = "{OTHER}"\n')
    assert asked(machine.read(platform="win32", **windows)) == [(OTHER, True)]
    machine.write("~/Library/Application Support/pip/pip.conf", f"[global]\nindex-url = {THIRD}\n")
    assert asked(machine.read(platform="darwin")) == [(THIRD, True)]


def test_variables_before_files_project_before_user(machine: Machine) -> None:
    """The strongest default counts; the extra ones of all settings are asked, the strongest first."""
    machine.write("uv.toml", f'[[index]]\nname = "project"\nurl = "{CORP}/project"\n')
    machine.write(
        "~/.config/uv/uv.toml",
        f'[[index]]\nname = "user"\nurl = "{CORP}/user"\n[[index]]\nname = "d"\nurl = "{OTHER}"\ndefault = true\n',
    )
    machine.write("/etc/uv/uv.toml", f'index-url = "{THIRD}"\n')
    indexes = machine.read(UV_INDEX=f"one={CORP}/one {CORP}/two", UV_EXTRA_INDEX_URL=f"{CORP}/three")
    assert asked(indexes) == [
        (f"{CORP}/one", False),
        (f"{CORP}/two", False),
        (f"{CORP}/three", False),
        (f"{CORP}/project", False),
        (f"{CORP}/user", False),
        (OTHER, True),
    ]
    assert [index.name for index in indexes.entries] == ["one", "extra", "extra-1", "project", "user", "d"]
    assert "project" not in indexes.local
    assert asked(machine.read(UV_DEFAULT_INDEX=THIRD))[-1] == (THIRD, True)


def test_pip_counts_only_where_uv_is_silent(machine: Machine) -> None:
    """pip's settings are not mixed into uv's."""
    machine.write("~/.config/pip/pip.conf", f"[global]\nindex-url = {OTHER}\ntrusted-host = other.example.com\n")
    assert machine.read().insecure_hosts == ("other.example.com",)
    indexes = machine.read(UV_INDEX=CORP)
    assert asked(indexes) == [(CORP, False)]
    assert indexes.insecure_hosts == ()


def test_pip_precedence(machine: Machine) -> None:
    """Variables before [install] before [global], the user's file before the system's; extra ones come first."""
    machine.write("/etc/pip.conf", f"[global]\nindex-url = {THIRD}\nextra-index-url =\n    {THIRD}/a\n    {THIRD}/b\n")
    machine.write("~/.config/pip/pip.conf", f"[global]\nindex-url = {OTHER}\n[install]\nindex-url = {CORP}\n")
    assert asked(machine.read()) == [(f"{THIRD}/a", False), (f"{THIRD}/b", False), (CORP, True)]
    assert asked(machine.read(PIP_INDEX_URL=OTHER, PIP_EXTRA_INDEX_URL=""))[-1] == (OTHER, True)
    chosen = machine.write("pip.ini", f"[install]\nindex-url = {THIRD}/chosen\n")
    assert asked(machine.read(PIP_CONFIG_FILE=str(chosen)))[-1] == (f"{THIRD}/chosen", True)
    assert not machine.read(PIP_CONFIG_FILE="/dev/null").entries


def test_uv_config_file_and_no_config(machine: Machine) -> None:
    """UV_CONFIG_FILE stands for all other files, UV_NO_CONFIG for none of them."""
    machine.write("uv.toml", f'index-url = "{OTHER}"\n')
    chosen = machine.write("chosen.toml", f'index-url = "{CORP}"\n')
    assert asked(machine.read(UV_CONFIG_FILE=str(chosen))) == [(CORP, True)]
    assert not machine.read(UV_NO_CONFIG="1").entries
    with pytest.raises(UsageError, match="names no file"):
        machine.read(UV_CONFIG_FILE=str(machine.folder / "missing.toml"))


def test_folders_of_this_machine_do_not_count(machine: Machine) -> None:
    """Folders and file: URLs of settings are passed over: a lock must not depend on one machine's disk."""
    machine.write("/etc/pip.conf", "[global]\nindex-url = file:///srv/simple\nfind-links = /srv/wheels\n")
    assert not machine.read(UV_INDEX="./wheels").entries


def test_manifest_folder(machine: Machine) -> None:
    """The manifest's own folder becomes a URL that begins at the manifest."""
    indexes = machine.read(Index(name="wheels", url="wheels", format="flat"))
    assert indexes.entries[0].url == (machine.folder / "wheels").as_uri()


def test_credentials_leave_the_url(machine: Machine) -> None:
    """A password in settings is kept apart from the URL, and no representation shows it."""
    indexes = machine.read(UV_DEFAULT_INDEX="https://ana:p%40ss@packages.example.com/simple")
    assert indexes.entries[0].url == CORP
    assert indexes.logins == {"default": Login(user="ana", password="p@ss")}
    assert "p@ss" not in repr(indexes)


def test_explicit_by_sources(machine: Machine) -> None:
    """[tool.uv.sources] says which projects come from an explicit index; sources by marker are left to uv."""
    machine.write(
        "pyproject.toml",
        f"""
[[tool.uv.index]]
name = "corp"
url = "{CORP}"
explicit = true
exclude-newer = false
[tool.uv.sources]
churn-core = {{ index = "corp" }}
torch = [{{ index = "corp", marker = "sys_platform == 'linux'" }}]
other = {{ git = "https://example.com/other" }}
""",
    )
    (index,) = machine.read().entries
    assert index == Index(name="corp", url=CORP, explicit=True, packages=("churn-core",), as_of="none")
    assert machine.read().pinned == {"churn-core": index}


def test_keyring_and_certificates(machine: Machine) -> None:
    """Whether a keyring may be asked, and whom to trust, come from settings."""
    machine.write(
        "~/.config/uv/uv.toml",
        'keyring-provider = "subprocess"\nallow-insecure-host = ["a.example.com"]\nnative-tls = true\n',
    )
    indexes = machine.read()
    assert indexes.keyring and indexes.system_certs
    assert indexes.insecure_hosts == ("a.example.com",)
    assert not machine.read(UV_KEYRING_PROVIDER="disabled").keyring
    assert machine.read(UV_NO_CONFIG="1", PIP_KEYRING_PROVIDER="subprocess").keyring


def test_mirror_of_the_default(machine: Machine) -> None:
    """A mirror of the default is asked in place of PyPI, last, and its URLs stay out of locks."""
    indexes = machine.read(Index(name="mirror", url=CORP, mirror_of="default"), Index(name="team", url=OTHER))
    assert asked(indexes) == [(OTHER, False), (CORP, True)]
    assert indexes.local == ("mirror",)
    assert indexes.recorded_url(f"{CORP}/../files/a.whl") is None
    assert indexes.recorded_url("https://other.example.com/files/a.whl") == "https://other.example.com/files/a.whl"
    assert indexes.recorded_url("https://cdn.example.com/files/a.whl") is None


def test_mirror_of_a_named_index(machine: Machine) -> None:
    """A mirror takes over what is asked of the index that it mirrors, by name or URL."""
    team = Index(name="team", url=OTHER, explicit=True, packages=("churn",), as_of="none")
    for target in ("team", OTHER + "/"):
        indexes = machine.read(team, Index(name="near", url=CORP, mirror_of=target))
        (entry,) = indexes.entries
        assert (entry.url, entry.explicit, entry.packages, entry.as_of) == (CORP, True, ("churn",), "none")
    assert not indexes.may_use(f"{OTHER}/a.whl")
    assert indexes.may_use("https://packages.example.com/a.whl")


def test_mirror_of_an_unlisted_url(machine: Machine) -> None:
    """A mirror of a URL that nobody names takes PyPI's place: PyPI itself is not asked behind its back."""
    indexes = machine.read(Index(name="near", url=CORP, mirror_of=THIRD))
    assert asked(indexes) == [(CORP, True)]
    indexes = machine.read(Index(name="near", url=CORP, mirror_of=THIRD, explicit=True, packages=("torch",)))
    assert asked(indexes) == [(CORP, False)]
    indexes = machine.read(Index(name="near", url=CORP, mirror_of=THIRD), UV_INDEX=f"torch={THIRD}/")
    assert asked(indexes) == [(CORP, False)] and indexes.local == ("near",)


def test_two_mirrors_of_one_index(machine: Machine) -> None:
    """Which one counts would be a guess."""
    with pytest.raises(UsageError, match="two-mirrors"):
        machine.read(Index(name="a", url=CORP, mirror_of="default"), Index(name="b", url=OTHER, mirror_of="default"))


def test_stand_in_by_name(machine: Machine) -> None:
    """This machine's index of the same name is its way to the manifest's: same rules, but nothing is recorded."""
    team = Index(name="team", url=OTHER, default=True)
    indexes = machine.read(team, UV_DEFAULT_INDEX="team=https://ana:secret@third.example.com/simple")
    assert asked(indexes) == [(THIRD, True)]
    assert indexes.local == ("team",)
    assert indexes.logins["team"].password == "secret"


def test_two_defaults(machine: Machine) -> None:
    """Two different defaults stop, with the way out; the same one twice is one, with the machine's credentials."""
    team = Index(name="team", url=CORP, default=True)
    with pytest.raises(UsageError) as caught:
        machine.read(team, UV_DEFAULT_INDEX="https://ana:secret@other.example.com/simple")
    assert caught.value.reference == "two-defaults"
    assert f"UV_DEFAULT_INDEX=team={OTHER}" in caught.value.hint
    assert "secret" not in str(caught.value)
    indexes = machine.read(team, PIP_INDEX_URL="https://ana:secret@packages.example.com/simple/")
    assert asked(indexes) == [(CORP, True)]
    assert indexes.local == ()
    assert indexes.logins["team"].user == "ana"


def test_extra_indexes_of_the_machine_are_kept(machine: Machine) -> None:
    """A manifest's indexes come first, but the machine's are not dropped: their private names would go elsewhere."""
    indexes = machine.read(
        Index(name="torch", url=THIRD, explicit=True, packages=("torch",)), UV_INDEX=CORP, UV_DEFAULT_INDEX=OTHER
    )
    assert asked(indexes) == [(THIRD, False), (CORP, False), (OTHER, True)]
    assert indexes.origin == "envlock.toml, the environment"


def test_packages_of_one_index_forbid_asking_all(machine: Machine) -> None:
    """A strategy that asks every index for every name gives way where some names have one index alone."""
    assert machine.read(UV_INDEX=CORP, UV_INDEX_STRATEGY="unsafe-best-match").strategy == "unsafe-best-match"
    own = Index(name="own", url=OTHER, packages=("churn",))
    assert machine.read(own, UV_INDEX=CORP, UV_INDEX_STRATEGY="unsafe-best-match").strategy == "first-index"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("uv.toml", "index-url = "),
        ("uv.toml", '[[index]]\nurl = "https://ana:secret@example.com"\ndefault = "secret"\n'),
        ("~/.config/pip/pip.conf", "index-url = https://ana:secret@example.com\n"),
    ],
)
def test_broken_settings(machine: Machine, path: str, text: str) -> None:
    """A file that cannot be read is an error that names it, and repeats nothing of it."""
    machine.write(path, text)
    with pytest.raises(UsageError) as caught:
        machine.read()
    assert caught.value.reference == "bad-settings"
    assert caught.value.where.endswith(path.removeprefix("~/"))
    assert "secret" not in str(caught.value)


def test_may_use() -> None:
    """A lock's URL is used as it stands only where nothing takes the place of PyPI, or at an index's own server."""
    url = "https://files.example.com/a.whl"
    assert Indexes().may_use(url)
    extra = Index(name="corp", url=CORP)
    assert Indexes(entries=(extra,)).may_use(url)
    default = Index(name="corp", url=CORP, default=True)
    assert not Indexes(entries=(default,)).may_use(url)
    assert Indexes(entries=(default,)).may_use("https://packages.example.com:443/files/a.whl")
    assert not Indexes(entries=(default,)).may_use("http://packages.example.com/files/a.whl")


def test_recorded_url() -> None:
    """What is recorded holds no credential, no folder, and nothing of a machine's own index."""
    assert Indexes().recorded_url("https://a:b@files.example.com/a.whl") == "https://files.example.com/a.whl"
    assert Indexes().recorded_url("file:///srv/a.whl") is None
    own = Indexes(entries=(Index(name="default", url=CORP, default=True),), local=("default",))
    assert own.recorded_url("https://files.example.com/a.whl") is None


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX", "PIP_INDEX_URL"])
@pytest.mark.parametrize(
    "url", ["https://ana:p#ss@packages.example.com/simple", "https://ana:p/ss@packages.example.com"]
)
def test_a_password_that_breaks_a_url_is_not_repeated(machine: Machine, variable: str, url: str) -> None:
    """Where a password has letters that end a host, the URL is refused before any part of it becomes an address."""
    with pytest.raises(UsageError, match="bad-settings") as caught:
        machine.read(**{variable: url})
    assert "p#ss" not in str(caught.value)
    assert "'p'" not in str(caught.value)
