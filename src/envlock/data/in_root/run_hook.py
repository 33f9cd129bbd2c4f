"""Calls one hook of a build backend (PEP 517) in a build root, for locking.sdist.

    python -c SCRIPT REQUEST

REQUEST is JSON: `hook`, `arguments`, `source`, `backend`, `backend_path`, `answer`. What the hook returns is written to
the file `answer` as JSON, with what there is to know about the interpreter. All output goes to stdout.

Runs under Python 3.7 and later.
"""

import importlib
import itertools
import json
import os
import sys
import sysconfig
import tempfile
from pathlib import Path

REQUEST = json.loads(sys.argv.pop())
# Some backends build in a temporary folder, whose name ends up in what they make (meson-python: build_config.py).
vars(tempfile)["_name_sequence"] = map("{:08}".format, itertools.count())


def _hook_result() -> object:
    os.chdir(REQUEST["source"])
    own = [str(Path(REQUEST["source"], part)) for part in REQUEST["backend_path"]]
    sys.path[:] = [*own, *filter(None, sys.path)]  # without "", the working directory
    module, _, attribute = REQUEST["backend"].partition(":")
    backend = importlib.import_module(module)
    for name in filter(None, attribute.split(".")):
        backend = getattr(backend, name)
    hook = getattr(backend, REQUEST["hook"], None)
    if hook is None and REQUEST["hook"] == "get_requires_for_build_wheel":
        return []
    if hook is None:
        sys.exit(f"The build backend {REQUEST['backend']} has no {REQUEST['hook']}.")
    return hook(*REQUEST["arguments"])


os.dup2(1, 2)
ANSWER = {
    "result": _hook_result(),
    "python": sysconfig.get_python_version(),
    "glibc": (os.confstr("CS_GNU_LIBC_VERSION") or "").rpartition(" ")[2],
    "machine": sysconfig.get_platform().partition("-")[2],
}
Path(REQUEST["answer"]).write_text(json.dumps(ANSWER), encoding="utf-8")
