"""Calls one hook of a build backend (PEP 517) in a build root, for locking.sdist.

    python -c SCRIPT REQUEST

REQUEST is JSON: `hook`, `arguments`, `source`, `backend`, `backend_path`, `answer`. What the hook returns is written to
the file `answer` as JSON, with what there is to know about the interpreter. All output goes to stdout.

Runs under Python 3.7 and later.
"""

import importlib
import json
import os
import sys
import sysconfig


def _call(request):
    os.chdir(request["source"])
    sys.path[:] = [
        *(os.path.join(request["source"], part) for part in request["backend_path"]),
        *(part for part in sys.path if part),
    ]
    module, _, attribute = request["backend"].partition(":")
    backend = importlib.import_module(module)
    for name in attribute.split(".") if attribute else ():
        backend = getattr(backend, name)
    hook = getattr(backend, request["hook"], None)
    if hook is None and request["hook"] == "get_requires_for_build_wheel":
        return []
    if hook is None:
        sys.exit("The build backend %s has no %s." % (request["backend"], request["hook"]))
    return hook(*request["arguments"])


def _main():
    os.dup2(1, 2)
    request = json.loads(sys.argv.pop())
    result = _call(request)
    answer = {
        "result": result,
        "python": "%d.%d" % sys.version_info[:2],
        "glibc": os.confstr("CS_GNU_LIBC_VERSION").split()[-1],
        "machine": sysconfig.get_platform().partition("-")[2],
    }
    with open(request["answer"], "w", encoding="utf-8") as file:
        json.dump(answer, file)


_main()
