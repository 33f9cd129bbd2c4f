"""Drift of packages: what is installed, from where, and what its metadata says."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from functools import partial
from pathlib import Path

from tests.integration.bench import Bench, clean_variables, uv
from tests.integration.drift import UNSEEN, drift
from tests.unit.wheels import make_wheel, record_line

_PROJECT = """\
[build-system]
requires = ["flit_core==3.12.0"]
build-backend = "flit_core.buildapi"

[project]
name = "{name}"
version = "{version}"
description = "A checkout."
"""


def _checkout(bench: Bench, name: str, version: str) -> Path:
    folder = bench.spare / name
    bench.write(folder / "pyproject.toml", _PROJECT.format(name=name, version=version))
    bench.write(folder / f"{name}.py", '"""A checkout."""\n')
    return folder


def _another_version(bench: Bench) -> None:
    bench.install("tqdm==4.65.0")


def _framework_version(bench: Bench) -> None:
    bench.install("markupsafe==2.1.4")


def _missing(bench: Bench) -> None:
    bench.uninstall("jmespath")


def _only_metadata_gone(bench: Bench) -> None:
    shutil.rmtree(bench.dist_info("jmespath"))


def _extra(bench: Bench) -> None:
    bench.install("iniconfig==2.0.0")


def _extra_replaces(bench: Bench) -> None:
    wheel = make_wheel(bench.spare, "faster", "1.0", {"faster.py": b"", "tqdm/faster.py": b"import os\n"})
    bench.install(wheel)


def _two_versions(bench: Bench) -> None:
    info = bench.dist_info("tqdm")
    shutil.copytree(info, info.with_name("tqdm-4.65.0.dist-info"))
    bench.replace(info.with_name("tqdm-4.65.0.dist-info") / "METADATA", "Version: 4.64.0", "Version: 4.65.0")


def _twice(bench: Bench) -> None:
    info = bench.dist_info("tqdm")
    shutil.copytree(info, info.with_name("Tqdm-4.64.0.dist-info"))


def _editable(bench: Bench) -> None:
    bench.install("--editable", _checkout(bench, "tqdm", "4.64.0"))


def _egg_link(bench: Bench) -> None:
    checkout = _checkout(bench, "jmespath", "0.10.0")
    bench.uninstall("jmespath")
    bench.write(checkout / "jmespath.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: jmespath\nVersion: 0.10.0\n")
    bench.write(bench.site / "jmespath.egg-link", f"{checkout}\n.")
    bench.write(bench.site / "easy-install.pth", f"{checkout}\n")


def _vcs(bench: Bench) -> None:
    checkout = _checkout(bench, "tqdm", "4.64.0")
    who = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com"}
    who |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in who.items()}
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "One"]):
        subprocess.run(["git", *words], cwd=checkout, env=clean_variables() | who, check=True)
    bench.install(f"tqdm @ git+file://{checkout}")


def _folder(bench: Bench) -> None:
    bench.install(_checkout(bench, "tqdm", "4.64.0"))


def _built(bench: Bench) -> Path:
    """Build the wheel of a checkout, as somebody who patched it does."""
    checkout = _checkout(bench, "jmespath", "0.10.0")
    uv("build", "--wheel", "--out-dir", bench.spare / "dist", checkout)
    (wheel,) = (bench.spare / "dist").glob("*.whl")
    return wheel


def _archive(bench: Bench) -> None:
    wheel = _built(bench)
    # Of the locked file's name, it could be told by its bytes alone.
    bench.install("--reinstall", wheel.rename(wheel.with_name("jmespath-0.10.0-1-py3-none-any.whl")))


def _other_build(bench: Bench) -> None:
    """The same version from an index that built it itself, so that no direct_url.json tells."""
    wheel = _built(bench)
    bench.uninstall("jmespath")
    bench.install("--no-index", "--find-links", wheel.parent, "jmespath==0.10.0")


def _from_sdist(bench: Bench) -> None:
    # A cache of its own: from the user's, uv would install this build everywhere else too.
    own = ("--cache-dir", bench.spare / "cache")
    bench.install("--reinstall", "--no-binary", "jmespath", "jmespath==0.10.0", *own)


def _other_abi(bench: Bench) -> None:
    """The files of another Python's wheel, as a copied site-packages leaves them."""
    other = bench.spare / "other"
    uv("pip", "install", "--target", other, "--python-version", "3.10", "--no-deps", "markupsafe==2.1.5")
    bench.uninstall("markupsafe")
    shutil.copytree(other, bench.site, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".lock"))


def _no_record(bench: Bench) -> None:
    (bench.dist_info("tqdm") / "RECORD").unlink()


def _no_metadata(bench: Bench) -> None:
    (bench.dist_info("tqdm") / "METADATA").unlink()


def _metadata_lies(bench: Bench) -> None:
    bench.replace(bench.dist_info("tqdm") / "METADATA", "Version: 4.64.0", "Version: 4.64.9")


def _metadata_edited(bench: Bench) -> None:
    bench.replace(bench.dist_info("tqdm") / "METADATA", "Requires-Python: ", "Requires-Bython: ")


def _installer(bench: Bench) -> None:
    info = bench.dist_info("tqdm")
    bench.write(info / "INSTALLER", "import os; os.system('id')\n")
    bench.record(info / "INSTALLER")


def _direct_url(bench: Bench) -> None:
    info = bench.dist_info("tqdm")
    text = '{"url": "https://example.com/tqdm-4.64.0-py2.py3-none-any.whl", "archive_info": {"hash": "sha256=%s"}}'
    path = bench.write(info / "direct_url.json", text % ("0" * 64))
    line = record_line(os.path.relpath(path, bench.site), path.read_bytes())
    bench.change(info / "RECORD", lambda record: line.encode() + record)


def _direct_url_broken(bench: Bench) -> None:
    bench.write(bench.dist_info("tqdm") / "direct_url.json", '{"url": ')


def _entry_point(bench: Bench) -> None:
    """A plug-in that nobody locked, written into a locked package's metadata."""
    info = bench.dist_info("tqdm")
    path = bench.change(info / "entry_points.txt", lambda text: text + b"\n[pytest11]\nevil = tqdm.evil\n")
    bench.record(path)


def _zip_on_the_path(bench: Bench) -> None:
    with zipfile.ZipFile(bench.site / "more.zip", "w") as archive:
        archive.writestr("tqdm/__init__.py", "")
    bench.write(bench.site / "aaa.pth", f"{bench.site}/more.zip\n")


row = partial(drift, "Packages")
PACKAGES = (
    row("another version", _another_version, "package-version", 1),
    row("another version of the framework", _framework_version, "package-version", 1),
    row("a package is missing", _missing, "package-missing", 1),
    row("only its .dist-info is missing", _only_metadata_gone, "package-missing", 1, beside=("file-unrecorded",)),
    row("an extra package", _extra, "package-extra", 1, options=("--strict",)),
    row("an extra package with a module in a locked one", _extra_replaces, "module-shadowed", 1,
        beside=("package-extra",)),
    row("two versions at once", _two_versions, "package-version", 1, beside=("file-unrecorded",)),
    row("the same version twice", _twice, "package-version", 1, beside=("file-unrecorded",)),
    row("an editable install in place of the wheel", _editable, "package-editable", 1),
    row("setup.py develop in place of the wheel (.egg-link)", _egg_link, "package-editable", 1,
        beside=("package-version", "package-metadata", "startup-code")),
    row("installed from git", _vcs, "package-source", 1),
    row("installed from a folder", _folder, "package-source", 1, beside=("file-missing", "package-rebuilt")),
    row("installed from another archive", _archive, "package-source", 1, beside=("file-missing", "package-rebuilt")),
    row("another build of the same version", _other_build, "package-rebuilt", 1,
        quick=UNSEEN, beside=("file-missing",)),
    row("built from the sdist instead of the wheel", _from_sdist, "package-rebuilt", 1,
        quick=UNSEEN, beside=("file-missing",)),
    row("the wheel of another Python's ABI", _other_abi, "package-rebuilt", 1, quick=UNSEEN, beside=("file-missing",)),
    row("no RECORD", _no_record, "record-contradiction", 1, quick=("package-metadata", 3), beside=("file-unrecorded",)),
    row("no METADATA", _no_metadata, "file-missing", 1, beside=("package-metadata",)),
    row("METADATA names another version than its folder", _metadata_lies, "file-tampered", 4,
        quick=("package-metadata", 3)),
    row("METADATA edited", _metadata_edited, "file-tampered", 4, quick=UNSEEN),
    row("INSTALLER rewritten", _installer, "installer-note", 4, quick=UNSEEN),
    row("direct_url.json that names another archive", _direct_url, "installer-note", 4, quick=("package-source", 1)),
    row("direct_url.json cut off", _direct_url_broken, "installer-note", 4, quick=("package-metadata", 3)),
    row("an entry point added, RECORD rewritten", _entry_point, "file-tampered", 4, quick=UNSEEN),
    row("a .zip before the packages on sys.path", _zip_on_the_path, "startup-code", 1, options=("--strict",),
        beside=("file-unrecorded",)),
)  # fmt: skip
