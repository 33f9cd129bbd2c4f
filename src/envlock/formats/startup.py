"""The start-up files that installers and build backends write: .pth files, and the modules that those import.

A line of a .pth file that begins with ``import`` is executed at every start of Python (the site module), so that such
a file is known by its exact text, and what it imports by its text too. Sources: setuptools
(command/editable_wheel.py, namespaces.py, distutils-precedence.pth), editables (used by hatchling and pdm-backend),
meson-python, scikit-build-core.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable

Module = Callable[[str], bytes | None]
"""Return the text of a module beside the .pth file, by its name; None where it is not there or was not read."""

DISTUTILS_PRECEDENCE = frozenset(
    f"import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, '{default}') == 'local'; "
    f"enabled and __import__('_distutils_hack'){call}; ".encode()
    for default in ("local", "stdlib")
    for call in ("", ".add_shim()")
)
_HACKS = (
    ("50.3.2", "54.2.0", "c05b8045c9a51ed915db41df44195068c3d8ee1431f93104b670695decac8b02"),
    ("56.2.0", "58.5.3", "5f7454880e8a04fa0499ca3f0a3002ca5b7241b15119552965101b4a43c6c0cb"),
    ("59.8.0", "59.8.0", "4c2531daa12158dcabb8bce3e03386640407dfd866d9f27fc0377dd2894d3a6a"),
    ("60.0.0", "60.0.0", "7688a23bb369b867ca503635e94c625981671c1e01adf621da6c59d2d07d5114"),
    ("61.3.1", "61.3.1", "026d425507ed93f30700abdf25056940cc15c7796b01b2863e1288520c1ac036"),
    ("62.6.0", "67.8.0", "4d27a48545b57dd137ae35376fcf326d2064271084a487960686f8704b94de4a"),
    ("68.2.2", "68.2.2", "46849a60a7cc85189cf6b5ac62b3f135004862ce6a96540a81c95ef6fbc4dc3e"),
    ("69.5.1", "69.5.1", "4bf5b0bc8f8af7ce7096e96f7167cf4f776f2cc0983f5c8f876ca780b3a67781"),
    ("70.3.0", "72.2.0", "1542e30b6d07156f447ab4bcaec4a3a330feb93167d5dcaf548f6d6b2cdb852c"),
    ("74.1.3", "75.1.0", "a325c4f62f92a19daaa558088e4339afd78e14df40c20a7d51c9dc3a714dc237"),
    ("77.0.3", "82.0.0", "df81e6bcba34ee3e3952f776551fb669143b9490fdd6c4caeb32609f97e985b4"),
    ("84.2.1", "84.2.1", "ced72e54431ecf2d8d7dbd8a1e27724f1b171af3ca1503c304bf11c59a7fe861"),
)
"""Releases of setuptools, first and last, and the sha256 of their _distutils_hack/__init__.py."""
_OVERRIDE = "12efecf8d17a5486780aa774b5b6c0e70b56932d8864f35df1eb7a18bb759b3a"
"""The sha256 of _distutils_hack/override.py in setuptools 50 to 84."""

_FINDERS = frozenset(
    {
        "2c59411dea66f84f999b587719dd27260386d55d076da13416619bf089c65c92",  # setuptools 64.0.0 to 64.0.3
        "c2e5c09f27051a29ba1ff8dec358761e6a9aa279a01f420cb43185b88413d751",  # 65.5.1 to 67.8.0
        "2be8bf7edabaacc5d08afa984deab2f1a17601daa4fe2a9b1b3bf576b2033060",  # 68.2.2 to 69.5.1
        "f5467ffb8c7f3716484cbda1d334355467d83e9627efe14642fdb8315924e5e9",  # 70.3.0
        "dcd2775062ab2504ff1bdc3de510a5a144bfc3d76b004f026f0a689301214bc7",  # 72.2.0 to 84.2.1
    }
)
"""The sha256 of setuptools' finders of editable installs, their values taken out."""
_VALUES = re.compile(
    r"^((?:MAPPING|NAMESPACES)(?:: [^=\n]*)? = )(\{.*\})$|^(PATH_PLACEHOLDER = )('[^'\n]*'|\"[^\"\n]*\")", re.MULTILINE
)
_FINDER_PTH = re.compile(r"import (?P<module>__editable__\w+); (?P=module)\.install\(\)")
_EDITABLES_PTH = re.compile(r"import (?P<module>_editable_impl_\w+|__editables_\w+)")
_EDITABLES = re.compile(
    r"from editables\.redirector import RedirectingFinder as F\nF\.install\(\)"
    r"(?:\nF\.map_module\((?P<literal>'[^'\\\n]*'|\"[^\"\\\n]*\"), (?:'[^'\n]*'|\"[^\"\n]*\")\))*\n?"
)
_LOADER_PTH = re.compile(r"import (_\w+_editable_loader|_\w+_editable|_editable_skbc_\w+)")
_NAME = r"'[\w.]+'"
_NAMESPACE_PTH = re.compile(
    r"import sys, types, os;has_mfs = sys\.version_info > \(3, 5\);"
    rf"p = os\.path\.join\((?:sys\._getframe\(1\)\.f_locals\['sitedir'\]|'[^'\\\n]*'), \*\((?:{_NAME},? ?)+\)\);"
    r"importlib = has_mfs and __import__\('importlib\.util'\);has_mfs and __import__\('importlib\.machinery'\);"
    rf"m = has_mfs and sys\.modules\.setdefault\({_NAME}, importlib\.util\.module_from_spec\("
    rf"importlib\.machinery\.PathFinder\.find_spec\({_NAME}, \[os\.path\.dirname\(p\)\]\)\)\);"
    rf"m = m or sys\.modules\.setdefault\({_NAME}, types\.ModuleType\({_NAME}\)\);"
    r"mp = \(m or \[\]\) and m\.__dict__\.setdefault\('__path__',\[\]\);\(p not in mp\) and mp\.append\(p\)"
    rf"(?:;m and setattr\(sys\.modules\[{_NAME}\], {_NAME}, m\))?"
)
_EASY_INSTALL = frozenset(
    {
        "import sys; sys.__plen = len(sys.path)",
        (
            "import sys; new=sys.path[sys.__plen:]; del sys.path[sys.__plen:]; "
            "p=getattr(sys,'__egginsert',0); sys.path[p:p]=new; sys.__egginsert = p+len(new)"
        ),
    }
)


def executed(pth: bytes) -> list[str]:
    """Return the lines of a .pth file that Python executes."""
    lines = pth.decode("utf-8-sig", "replace").splitlines()
    return [line.strip() for line in lines if line.startswith(("import ", "import\t"))]


def added_paths(pth: bytes) -> list[str]:
    """Return the lines of a .pth file that Python adds to sys.path where they exist."""
    lines = (line.strip() for line in pth.decode("utf-8-sig", "replace").splitlines())
    return [line for line in lines if line and not line.startswith(("#", "import ", "import\t"))]


def is_namespace(line: str) -> bool:
    """Tell whether a line makes a namespace package, as setuptools wrote it until 80 (*-nspkg.pth)."""
    return _NAMESPACE_PTH.fullmatch(line) is not None


def is_easy_install(line: str) -> bool:
    """Tell whether a line is one of easy-install.pth that moves its paths to the front."""
    return line in _EASY_INSTALL


def is_editable(line: str, module: Module) -> bool:
    """Tell whether a line, and what it imports, is how a build backend makes an editable install (PEP 660)."""
    if match := _FINDER_PTH.fullmatch(line):
        return _is_finder(module(match["module"]))
    if match := _EDITABLES_PTH.fullmatch(line):
        text = module(match["module"])
        return text is not None and _EDITABLES.fullmatch(text.decode("utf-8", "replace")) is not None
    return False


def is_loader(line: str) -> bool:
    """Tell whether a line has the form that meson-python and scikit-build-core give it.

    What it imports differs with their every release, so that its text is not known here.
    """
    return _LOADER_PTH.fullmatch(line) is not None


def hack_of(release: str, name: str) -> str:
    """Return the sha256 of a file of _distutils_hack in a release of setuptools; empty where it is not known."""
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(release)
    except InvalidVersion:
        return ""
    if not Version(_HACKS[0][0]) <= version <= Version(_HACKS[-1][1]):
        return ""
    if name == "override.py":
        return _OVERRIDE
    return next((sha256 for first, last, sha256 in _HACKS if Version(first) <= version <= Version(last)), "")


def _is_finder(text: bytes | None) -> bool:
    if text is None:
        return False
    source = text.decode("utf-8", "replace").replace("\r\n", "\n")
    for match in _VALUES.finditer(source):
        try:
            ast.literal_eval(match[2] or match[4])
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return False
    blank = _VALUES.sub(lambda match: match[1] or match[3], source)
    return hashlib.sha256(blank.encode()).hexdigest() in _FINDERS
