"""OS packages that teams ask for: locked without a script that nobody read, and whole without one that ran."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.formats.pylock import read_lock
from envlock.image.base import base_members
from envlock.image.root import remove, unpack
from envlock.operations.fetch import fetch_debs
from tests.integration.project import SMALL, Project
from tests.integration.roots import PLATFORM, edges
from tests.integration.test_recipes import Root

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare(1) is not there to enter a root"),
]

ASKED = ["libsm6", "libxext6", "libgl1", "ffmpeg", "graphviz", "git-lfs", "xz-utils", "procps"]
LOADERS = "/usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A base of Debian 12 with all of them, locked by the command and unpacked."""
    folder = tmp_path_factory.mktemp("os-packages")
    project = Project(folder / "project", f"{SMALL}os-packages = {ASKED}\n")
    project.ok("lock")
    base = read_lock(project.lock_path()).lock.base
    assert base is not None
    at = edges()
    debs = fetch_debs(base.of(PLATFORM), archives=at.archives, artifacts=at.artifacts, progress=at.progress)
    unpack(base_members(base, PLATFORM, lambda deb: debs[deb.sha256]), folder / "root")
    yield Root(folder / "root", base)
    remove(folder / "root")


def test_programs_run(root: Root) -> None:
    """They find their libraries, settings, plugins and each other."""
    script = """
    set -e
    cd /tmp
    ffmpeg -v error -f lavfi -i testsrc=d=1:s=64x64 -pix_fmt yuv420p test.mp4
    ffprobe -v error -show_entries stream=codec_name -of csv=p=0 test.mp4
    echo 'digraph { a -> b }' | dot -Tpng | head -c 4 | tail -c 3
    echo
    git config --system filter.lfs.process
    echo packed | lzma | lzcat
    ps -o comm= -p $$
    """
    result = root.run("sh", "-c", script)
    assert result.stdout.splitlines() == ["h264", "PNG", "git-lfs filter-process", "packed", "sh"], result.stderr


def test_libraries_for_opencv_load(root: Root) -> None:
    """The three that its wheels leave to the system."""
    script = "import ctypes\nfor name in ('SM.so.6', 'Xext.so.6', 'GL.so.1'): ctypes.CDLL(f'lib{name}')"
    assert root.run(root.base.interpreter, "-c", script).returncode == 0


def test_registers_are_those_that_the_programs_would_write(root: Root) -> None:
    """Each package's own tool, run here in a scratch root, comes to what the image holds."""
    script = f"""
    set -e
    cd /tmp
    {LOADERS}/gdk-pixbuf-query-loaders $(find {LOADERS}/2.10.0/loaders -name '*.so' | LC_ALL=C sort) > loaders.cache
    cp /usr/lib/x86_64-linux-gnu/graphviz/config6a .
    libgvc6-config-update -c
    cmp config6a /usr/lib/x86_64-linux-gnu/graphviz/config6a
    mkdir -p mime && cp -r /usr/share/mime/packages mime/ && XDG_DATA_DIRS=/tmp update-mime-database mime
    """
    result = root.run("sh", "-c", script)
    assert result.returncode == 0, result.stderr

    def said(path: str, *, end: bytes = b"\n") -> list[bytes]:
        parts = (root.path / path).read_bytes().rstrip(b"\n").split(end)
        return [part for part in parts if part and not part.startswith(b"#")]

    assert said("tmp/loaders.cache") == said(f"{LOADERS.lstrip('/')}/2.10.0/loaders.cache")
    for name in ("aliases", "generic-icons", "globs2", "subclasses"):
        assert set(said(f"tmp/mime/{name}")) == set(said(f"usr/share/mime/{name}")), name
    # Values may hold newlines: a section ends where the next begins.
    assert sorted(said("tmp/mime/magic", end=b"\n[")) == sorted(said("usr/share/mime/magic", end=b"\n["))


def test_pictures_are_told_by_their_content(root: Root) -> None:
    """gdk-pixbuf asks GLib's database of types, then finds the loader in its register."""
    script = """
import ctypes, pathlib
pathlib.Path("/tmp/picture").write_bytes(
    b"GIF89a\\1\\0\\1\\0\\x80\\0\\0\\0\\0\\0\\xff\\xff\\xff,\\0\\0\\0\\0\\1\\0\\1\\0\\0\\2\\2D\\1\\0;"
)
library = ctypes.CDLL("libgdk_pixbuf-2.0.so.0")
library.gdk_pixbuf_new_from_file.restype = ctypes.c_void_p
print(bool(library.gdk_pixbuf_new_from_file(b"/tmp/picture", None)))
"""
    result = root.run(root.base.interpreter, "-", stdin=script)
    assert result.stdout == "True\n", result.stderr


def test_packages_whose_scripts_nobody_read_stop_the_lock(tmp_path: Path) -> None:
    """All of them are named, and there is no lock."""
    project = Project(tmp_path, f'{SMALL}os-packages = ["texlive-base"]\n')
    done = project.run("lock")
    assert done.code == 2
    assert "[unknown-script]" in done.err
    assert "postinst of tex-common, sha256 " in done.err
    assert not project.lock_path().exists()
