"""Drift of files: edited, gone, hidden, replaced, and what nobody installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

from tests.integration.bench import Bench
from tests.integration.drift import SIZE, UNSEEN, drift


def _module(bench: Bench) -> Path:
    return bench.site / "tqdm/utils.py"


def _extension(bench: Bench) -> Path:
    (found,) = bench.site.glob("markupsafe/_speedups*.so")
    return found


def _flip(data: bytes) -> bytes:
    """Return the same number of bytes, one of them another."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _edited(bench: Bench) -> None:
    bench.replace(_module(bench), "import", "impor1")


def _edited_longer(bench: Bench) -> None:
    bench.change(_module(bench), lambda data: data + b"# a line more\n")


def _edited_same_time(bench: Bench) -> None:
    """As a careful hand does it: the size and the times are those of before."""
    path = _module(bench)
    about = path.stat()
    bench.change(path, _flip)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def _edited_and_recorded(bench: Bench) -> None:
    bench.record(bench.change(_module(bench), lambda data: data + b"# a line more\n"))


def _extension_edited(bench: Bench) -> None:
    bench.change(_extension(bench), _flip)


def _extension_recorded(bench: Bench) -> None:
    bench.record(bench.change(_extension(bench), _flip))


def _truncated(bench: Bench) -> None:
    bench.change(_extension(bench), lambda data: data[: len(data) // 2])


def _emptied(bench: Bench) -> None:
    bench.write(_module(bench), b"")


def _padded(bench: Bench) -> None:
    """A full disk leaves blocks of zeros."""
    bench.change(_module(bench), lambda data: data[:-512] + bytes(512))


def _deleted(bench: Bench) -> None:
    _module(bench).unlink()


def _license_deleted(bench: Bench) -> None:
    (bench.dist_info("tqdm") / "LICENCE").unlink()


def _folder_deleted(bench: Bench) -> None:
    shutil.rmtree(bench.site / "tqdm/contrib")


def _swapped(bench: Bench) -> None:
    one, other = bench.site / "tqdm/utils.py", bench.site / "tqdm/std.py"
    first, second = one.read_bytes(), other.read_bytes()
    bench.write(one, second)
    bench.write(other, first)


def _renamed(bench: Bench) -> None:
    _module(bench).rename(bench.site / "tqdm/utilities.py")


def _link_elsewhere(bench: Bench) -> None:
    target = bench.write(bench.spare / "utils.py", _flip(_module(bench).read_bytes()))
    _module(bench).unlink()
    _module(bench).symlink_to(target)


def _link_to_nothing(bench: Bench) -> None:
    _module(bench).unlink()
    _module(bench).symlink_to(bench.spare / "nothing")


def _fifo(bench: Bench) -> None:
    _module(bench).unlink()
    os.mkfifo(_module(bench))


def _folder_in_place(bench: Bench) -> None:
    _module(bench).unlink()
    bench.write(_module(bench) / "__init__.py", b"")


def _linked_package(bench: Bench) -> None:
    """A whole package is a link to a copy of it, in which one file is another."""
    shutil.copytree(bench.site / "tqdm", bench.spare / "tqdm")
    bench.change(bench.spare / "tqdm/utils.py", _flip)
    shutil.rmtree(bench.site / "tqdm")
    (bench.site / "tqdm").symlink_to(bench.spare / "tqdm")


def _record_row_gone(bench: Bench) -> None:
    record = bench.dist_info("tqdm") / "RECORD"
    lines = record.read_text("utf-8").splitlines(keepends=True)
    bench.write(record, "".join(line for line in lines if not line.startswith("tqdm/utils.py,")))


def _record_hash(bench: Bench) -> None:
    bench.replace(bench.dist_info("tqdm") / "RECORD", "tqdm/utils.py,sha256=", "tqdm/utils.py,sha256=A")


def _record_row_more(bench: Bench) -> None:
    path = bench.write(bench.site / "tqdm/more.py", b"import os\n")
    bench.change(bench.dist_info("tqdm") / "RECORD", lambda record: record + b"tqdm/more.py,,\n")
    assert path.exists()


def _record_claims_all(bench: Bench) -> None:
    """What an uninstall would remove is another package's."""
    bench.change(bench.dist_info("tqdm") / "RECORD", lambda record: record + b"jmespath/ast.py,,\n")


def _cache(bench: Bench, *options: str) -> Path:
    bench.compile(*options, bench.site / "tqdm")
    (found,) = bench.site.glob("tqdm/__pycache__/utils.*.pyc")
    return found


def _bytecode(bench: Bench) -> None:
    bench.change(_cache(bench), lambda data: data.replace(b"FormatReplace", b"FormatReplacf"))


def _bytecode_optimised(bench: Bench) -> None:
    subprocess.run([bench.python, "-O", "-m", "compileall", "-q", bench.site / "tqdm"], check=True)
    (cache,) = bench.site.glob("tqdm/__pycache__/utils.*.opt-1.pyc")
    bench.change(cache, lambda data: data.replace(b"FormatReplace", b"FormatReplacf"))


def _bytecode_stale(bench: Bench) -> None:
    """An unchecked-hash .pyc of another source, which runs whatever the source says."""
    source = _module(bench)
    before = source.read_bytes()
    bench.write(source, before.replace(b"FormatReplace", b"FormatReplacf"))
    _cache(bench, "--invalidation-mode", "unchecked-hash")
    bench.write(source, before)


def _bytecode_of_another(bench: Bench) -> None:
    cache = _cache(bench)
    (other,) = bench.site.glob("tqdm/__pycache__/gui.*.pyc")
    header = cache.read_bytes()[:16]
    bench.write(cache, header + other.read_bytes()[16:])


def _bytecode_broken(bench: Bench) -> None:
    bench.change(_cache(bench), lambda data: data[:-40])


def _bytecode_alone(bench: Bench) -> None:
    """Bytecode without a source beside it is a module like any other."""
    cache = _cache(bench)
    bench.write(bench.site / "tqdm/extra.pyc", cache.read_bytes())


def _pth_runs(bench: Bench) -> None:
    bench.write(bench.site / "zzz.pth", "import os; os.environ.setdefault('OMP_NUM_THREADS', '1')\n")


def _pth_adds(bench: Bench) -> None:
    bench.write(bench.site / "mine.pth", f"{bench.spare}\n")


def _pth_known_name(bench: Bench) -> None:
    bench.write(bench.site / "distutils-precedence.pth", "import os; os.system('id')\n")


def _sitecustomize(bench: Bench) -> None:
    bench.write(bench.site / "sitecustomize.py", "import random\nrandom.seed(0)\n")


def _sitecustomize_package(bench: Bench) -> None:
    bench.write(bench.site / "sitecustomize/__init__.py", "import random\n")


def _sitecustomize_extension(bench: Bench) -> None:
    bench.write(bench.site / "sitecustomize.so", _extension(bench).read_bytes())


def _usercustomize(bench: Bench) -> None:
    bench.write(bench.site / "usercustomize.py", "import random\n")


def _virtualenv_edited(bench: Bench) -> None:
    bench.write(bench.site / "_virtualenv.pth", "import _virtualenv")
    bench.write(bench.site / "_virtualenv.py", "import os\nos.environ['OMP_NUM_THREADS'] = '1'\n")


def _shadowed_by_extension(bench: Bench) -> None:
    bench.write(bench.site / "tqdm.so", _extension(bench).read_bytes())


def _shadowed_inside(bench: Bench) -> None:
    """An extension module goes before the source of its name."""
    bench.write(bench.site / "tqdm/utils.so", _extension(bench).read_bytes())


def _module_inside(bench: Bench) -> None:
    bench.write(bench.site / "jmespath/plugin.py", "import os\n")


def _package_over_module(bench: Bench) -> None:
    bench.write(bench.site / "tqdm/utils/__init__.py", "import os\n")


def _namespace(bench: Bench) -> None:
    """A folder of data becomes a package of a locked one."""
    (data,) = (path for path in bench.site.glob("*.dist-info") if path.name.startswith("tqdm"))
    bench.write(bench.site / "tqdm/notebooks/__init__.py", "import os\n")
    assert data.exists()


def _linked_module(bench: Bench) -> None:
    bench.write(bench.spare / "evil/__init__.py", b"")
    (bench.site / "tqdm/evil").symlink_to(bench.spare / "evil")


def _stray(bench: Bench) -> None:
    bench.write(bench.site / "helpers.py", "import os\n")


def _stray_library(bench: Bench) -> None:
    bench.write(bench.site / "markupsafe.libs/libgomp-a34b3233.so.1.0.0", _extension(bench).read_bytes())


def _launcher(bench: Bench) -> None:
    bench.change(bench.venv / "bin/tqdm", lambda data: data + b"import os\n")


def _launcher_recorded(bench: Bench) -> None:
    bench.record(bench.change(bench.venv / "bin/tqdm", lambda data: data.replace(b"import sys", b"import os,sys")))


def _launcher_other_python(bench: Bench) -> None:
    bench.change(bench.venv / "bin/tqdm", lambda data: b"#!/usr/bin/python3\n" + data.partition(b"\n")[2])


def _launcher_gone(bench: Bench) -> None:
    (bench.venv / "bin/tqdm").unlink()


def _script(bench: Bench) -> None:
    bench.change(bench.venv / "bin/jp.py", _flip)


def _stray_program(bench: Bench) -> None:
    path = bench.write(bench.venv / "bin/git", '#!/bin/sh\nexec /usr/bin/git "$@"\n')
    path.chmod(0o755)


row = partial(drift, "Files")
FILES = (
    row("a module edited, its size kept", _edited, "file-tampered", 4, quick=UNSEEN),
    row("a module edited, a line longer", _edited_longer, "file-tampered", 4, quick=SIZE),
    row("a module edited, size and times kept", _edited_same_time, "file-tampered", 4, quick=UNSEEN),
    row("a module edited, RECORD rewritten", _edited_and_recorded, "file-tampered", 4, quick=UNSEEN),
    row("an extension module edited", _extension_edited, "file-tampered", 4, quick=UNSEEN),
    row("an extension module edited, RECORD rewritten", _extension_recorded, "file-tampered", 4, quick=UNSEEN),
    row("an extension module cut off", _truncated, "file-tampered", 4, quick=SIZE),
    row("an empty file in place of a module", _emptied, "file-tampered", 4, quick=SIZE),
    row("zeros at the end of a file, its size kept", _padded, "file-tampered", 4, quick=UNSEEN),
    row("a module deleted", _deleted, "file-missing", 1),
    row("a licence deleted", _license_deleted, "file-missing", 1),
    row("a package's folder deleted", _folder_deleted, "file-missing", 1),
    row("two modules swapped", _swapped, "file-tampered", 4, quick=SIZE),
    row("a module renamed", _renamed, "module-shadowed", 1, beside=("file-missing",)),
    row("a link to other bytes in place of a module", _link_elsewhere, "file-tampered", 4, quick=UNSEEN),
    row("a link to nothing in place of a module", _link_to_nothing, "package-unproven", 3, quick=SIZE),
    row("a FIFO in place of a module", _fifo, "file-tampered", 4, quick=SIZE),
    row("a folder in place of a module", _folder_in_place, "file-missing", 1, beside=("module-shadowed",)),
    row("a package is a link to an edited copy", _linked_package, "module-shadowed", 1,
        beside=("file-missing", "file-unrecorded")),
    row("a row of RECORD removed", _record_row_gone, "record-contradiction", 4,
        quick=("module-shadowed", 1), beside=("module-shadowed",)),
    row("a digest of RECORD rewritten", _record_hash, "record-contradiction", 4, quick=UNSEEN),
    row("a module added, RECORD names it", _record_row_more, "file-tampered", 4, quick=UNSEEN),
    row("RECORD claims another package's file", _record_claims_all, "file-tampered", 4, quick=UNSEEN),
    row("a .pyc edited", _bytecode, "bytecode-altered", 4, quick=UNSEEN),
    row("a .pyc of -O edited", _bytecode_optimised, "bytecode-altered", 4, quick=UNSEEN),
    row("a stale unchecked-hash .pyc", _bytecode_stale, "bytecode-altered", 4, quick=UNSEEN),
    row("another module's .pyc", _bytecode_of_another, "bytecode-altered", 4, quick=UNSEEN),
    row("a .pyc cut off", _bytecode_broken, "bytecode-altered", 4, quick=UNSEEN),
    row("a .pyc without source in a locked package", _bytecode_alone, "module-shadowed", 1),
    row("a .pth that runs code", _pth_runs, "startup-code", 1),
    row("a .pth that adds a folder to sys.path", _pth_adds, "startup-code", 1, options=("--strict",)),
    row("another text under a known tool's .pth", _pth_known_name, "startup-code", 1),
    row("sitecustomize.py", _sitecustomize, "startup-code", 1),
    row("sitecustomize as a package", _sitecustomize_package, "startup-code", 1),
    row("sitecustomize as an extension module", _sitecustomize_extension, "startup-code", 1,
        beside=("file-unrecorded",)),
    row("usercustomize.py", _usercustomize, "startup-code", 1),
    row("_virtualenv.py rewritten", _virtualenv_edited, "startup-code", 4, quick=UNSEEN),
    row("an extension module with a locked package's name", _shadowed_by_extension, "module-shadowed", 1),
    row("an extension module beside the source of its name", _shadowed_inside, "module-shadowed", 1),
    row("an unrecorded module in a locked package", _module_inside, "module-shadowed", 1),
    row("a package over a module of its name", _package_over_module, "module-shadowed", 1),
    row("a package in a locked one", _namespace, "module-shadowed", 1),
    row("a link to a folder in a locked package", _linked_module, "module-shadowed", 1, beside=("file-unrecorded",)),
    row("a stray module", _stray, "file-unrecorded", 1, options=("--strict",)),
    row("a stray shared library", _stray_library, "file-unrecorded", 1, options=("--strict",)),
    row("a launcher with a line more", _launcher, "launcher-altered", 4, quick=SIZE, beside=("record-contradiction",)),
    row("a launcher rewritten, RECORD too", _launcher_recorded, "launcher-altered", 4, quick=UNSEEN),
    row("a launcher for another Python", _launcher_other_python, "launcher-altered", 4,
        quick=SIZE, beside=("record-contradiction",)),
    row("a launcher deleted", _launcher_gone, "file-missing", 1),
    row("a script edited", _script, "file-tampered", 4, quick=UNSEEN),
    row("a stray program among the scripts", _stray_program, "file-unrecorded", 1, options=("--strict",)),
)  # fmt: skip
