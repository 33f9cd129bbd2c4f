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

_PRECEDENCE = "import os; {}; enabled and __import__('_distutils_hack'){}; "
_ENABLED = "var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, '{}') == 'local'"
DISTUTILS_PRECEDENCE = frozenset(
    _PRECEDENCE.format(enabled, call).encode()
    for enabled, calls in (
        (_ENABLED.format("local"), ("", ".add_shim()", ".ensure_shim()")),
        (_ENABLED.format("stdlib"), ("", ".add_shim()")),
        ("enabled = os.environ.get('SETUPTOOLS_USE_DISTUTILS') == 'local'", (".add_shim()",)),  # before 50
    )
    for call in calls
)
VIRTUALENV_PTH = b"import _virtualenv"
"""The text of _virtualenv.pth, which uv and virtualenv put into every environment that they make."""
_HACKS = (
    ("49.3.0", "49.3.0", "03b38d1d8d6e9e14d4f12116683368d472a943c75ffe99986304b7b8bba0189c"),
    ("49.3.1", "49.6.0", "870c6f4869d409d7434c7ef7b99175568095b5541ac621538e5d8145fd01194f"),
    ("50.0.0", "50.0.0", "870913c1cb82e84d190b5b700c4cc71af16ace684b88e19b5f6149af7b833435"),
    ("50.0.1", "50.0.1", "e1d21987df00de20d4729c8afacee31bec8bcd6d799092908249a6e3d6a5e3b2"),
    ("50.0.2", "50.0.3", "9bc5b111a0a9cfbe403c5ca562f18a715571dfc12f7577a5123a4a32427112dc"),
    ("50.1.0", "50.1.0", "ccb3a83ef896531388f58fec08c15ee7998fa0a36b83196c374b74a7ca93022f"),
    ("50.2.0", "54.2.0", "c05b8045c9a51ed915db41df44195068c3d8ee1431f93104b670695decac8b02"),
    ("55.0.0", "56.0.0", "322f93bf23a7b8ccd421cfeeb68129e66dccfc363a40b2d2917aa0e9ef30848f"),
    ("56.1.0", "59.2.0", "5f7454880e8a04fa0499ca3f0a3002ca5b7241b15119552965101b4a43c6c0cb"),
    ("59.3.0", "59.8.0", "4c2531daa12158dcabb8bce3e03386640407dfd866d9f27fc0377dd2894d3a6a"),
    ("60.0.0", "60.0.2", "7688a23bb369b867ca503635e94c625981671c1e01adf621da6c59d2d07d5114"),
    ("60.0.3", "60.0.5", "f0016db17603c3430ca7a444e28b1577445d9da7f7f32f746ed6820c3442a07d"),
    ("60.1.0", "60.1.0", "a390f4d5ada584de84c5fed69fffd50fe43393401438d1615cdb9fd07e03c34a"),
    ("60.1.1", "60.1.1", "fcc99a0fb405120ec879fd8f8d35f974134d4c88e5ec814d42cbb06442b22f17"),
    ("60.2.0", "60.2.0", "600ff3472bad5c46ee6438a9516e844282c2e8fb946ef62c1b2060f9a2fe3c2b"),
    ("60.3.0", "60.3.0", "1476fb218abe6877c54af4804ee9c98413c655c807d8a203fc2e111e41ae9bb8"),
    ("60.3.1", "60.3.1", "52c30c27c38334fa426ba8d8784f7bb5e15df8511387ec0d0fbca8772fa224c1"),
    ("60.4.0", "60.4.0", "e4a51d09fa11eb20b12a2861f82c5c5587ae4d3d096cf2d3246109b60991818d"),
    ("60.5.0", "60.5.1", "4513b154dbf2fa7776a1d0812e6d4396770a8e6f286000d30bf6694ff3294dd5"),
    ("60.5.2", "60.5.3", "c45c67c9dbcc6ce0432d98491eaca039563d9df5fb9d8a68608de3b9e41d80a4"),
    ("60.5.4", "60.8.2", "06c27ded9e7642a2d5d5ea432989050e91987b2d00cfdc5c0477f23cffda06b4"),
    ("60.9.0", "60.9.1", "228181f268b46192561e7b9a3c57ff31483e10b2584f6494e5256feb86d5e674"),
    ("60.9.2", "62.4.0", "026d425507ed93f30700abdf25056940cc15c7796b01b2863e1288520c1ac036"),
    ("62.5.0", "67.8.0", "4d27a48545b57dd137ae35376fcf326d2064271084a487960686f8704b94de4a"),
    ("68.0.0", "69.0.3", "46849a60a7cc85189cf6b5ac62b3f135004862ce6a96540a81c95ef6fbc4dc3e"),
    ("69.1.0", "70.2.0", "4bf5b0bc8f8af7ce7096e96f7167cf4f776f2cc0983f5c8f876ca780b3a67781"),
    ("70.3.0", "72.2.0", "1542e30b6d07156f447ab4bcaec4a3a330feb93167d5dcaf548f6d6b2cdb852c"),
    ("73.0.0", "73.0.1", "9b737c2ccce2dad2e896acfb6285c708419121078c00231a5439a7647cdd72e4"),
    ("74.0.0", "75.3.1", "a325c4f62f92a19daaa558088e4339afd78e14df40c20a7d51c9dc3a714dc237"),
    ("75.3.2", "75.3.2", "df81e6bcba34ee3e3952f776551fb669143b9490fdd6c4caeb32609f97e985b4"),
    ("75.3.3", "75.3.3", "a325c4f62f92a19daaa558088e4339afd78e14df40c20a7d51c9dc3a714dc237"),
    ("75.3.4", "83.0.0", "df81e6bcba34ee3e3952f776551fb669143b9490fdd6c4caeb32609f97e985b4"),
    ("84.0.0", "84.2.1", "ced72e54431ecf2d8d7dbd8a1e27724f1b171af3ca1503c304bf11c59a7fe861"),
)
"""Releases of setuptools, first and last, and the sha256 of their _distutils_hack/__init__.py."""
_OVERRIDE = "12efecf8d17a5486780aa774b5b6c0e70b56932d8864f35df1eb7a18bb759b3a"
"""The sha256 of _distutils_hack/override.py in setuptools 49.3 to 84."""

_FINDERS = frozenset(
    {
        "2c59411dea66f84f999b587719dd27260386d55d076da13416619bf089c65c92",  # setuptools 64.0.0 to 65.1.0
        "c70004eaa1f991a268895cd62e01d633abb6a65ba3b9b15275b3be7fa8116d67",  # 65.1.1 and 65.2.0
        "c2e5c09f27051a29ba1ff8dec358761e6a9aa279a01f420cb43185b88413d751",  # 65.3.0 to 68.0.0
        "c0d458932d9a3a3deffc43ffbcf2dcb91aaf39b9efb1e574a3b5a84af782baf7",  # 68.1.0
        "76872b8ba3ba5036e5381110851405f25f8a95111ff5004a09114d5b2eba8a59",  # 68.1.1 and 68.1.2
        "2be8bf7edabaacc5d08afa984deab2f1a17601daa4fe2a9b1b3bf576b2033060",  # 68.2.0 to 69.5.1
        "f5467ffb8c7f3716484cbda1d334355467d83e9627efe14642fdb8315924e5e9",  # 70.0.0 to 70.3.0
        "dcd2775062ab2504ff1bdc3de510a5a144bfc3d76b004f026f0a689301214bc7",  # 71.0.0 to 84.2.1
    }
)
"""The sha256 of setuptools' finders of editable installs, their values taken out."""
_VIRTUALENV = frozenset(
    {
        "c0dff4cc6bb71eea3c812b5eebc5b6d94498679d4e36de276190838663c32cd1",  # virtualenv 20.0.8, POSIX
        "889a24441371e5eed19bb3097dba76ad5c7ef8b093fdf8967d2e3e46f0fadbf6",  # 20.0.9, POSIX
        "82944bb74841efbcfdc3539e7d60df63f43cc023041eb183abbd56f44e071b45",  # 20.0.10
        "e3db5fe06ab41ca9b95dd6463b83836787028a1b55562cc383803bb83001a45c",  # 20.0.11 to 20.0.26
        "bd9633de3d8122488d66fcfa0c7f0c9cd0b58e9147938ddf1f8fa76ca12b6ad5",  # 20.0.27
        "684b8c07932ba4a84ac2e5ae9afe49ef04e92bac3d8d4191d455cf09d093e5fc",  # 20.0.28 to 20.13.3
        "ce57d5e0d9b5d7356cb42da7450ba8f9359bdf693e335f4c921626943c77e64d",  # 20.13.4 to 20.16.2
        "c9199315871b11b12df226f890a38e66e63191e1adbfb11a66e6861151b33fca",  # 20.16.3 to 20.21.1
        "f4dfaeb9efc1614890cfa94ed15bbe9b2ee15fbe76d569ef5e435e93e4987dc7",  # 20.22.0 to 20.23.0
        "119e4eb9c1a39e6ffd220840844bd326fa1bd3acf2f1c9fa0612949aedc228a5",  # 20.23.1
        "0aeb86546345c1d0fada097536e35525714d5cdbcc2d8eb3f9912a955044fcff",  # 20.24.0 to 20.25.0, and uv before 0.1.3
        "0f20351ea7e90039c46d3fabdef991f28b1e3ff33eb13ee6f0d5cd21ea0e8b14",  # 20.25.1 to 20.35.3
        "bec6155ff7bfc88f8e79e481f27fd7ee0a3b40eeca9bfeb41f4c4b997b2f8100",  # 20.35.4 to 20.37.0
        "02943e192823d75212f206e1f2991ac572119882683a95dfbb7a1b913d7b14b5",  # 20.38.0 to 21.0.0
        "e8c426ce260f866254ff35cefedc8b3efbd6d1446d99d7a4cdeb0095f98a8b8f",  # 21.1.0 to 21.3.3
        "460589e83387d4dfe5fd84d41c5f6979599f5cd080983d73c832549161c80435",  # 21.4.0 to 21.6.1
        "0278334cdcfab4c746b4416fbd5c2b6e7da937c81e132397d62c361d404ebe0e",  # 21.7.0
        "ee52b2e2e720a40885a6b4b90c40e28e5c70e550af74d5efd169eaa5db2a6f6f",  # uv before 0.3
        "e3e10c8a19a62a49928c139b8e6824eac92dcdda7639953bcd10921011cbbdff",  # uv 0.3.0 to 0.4.4
        "6cf30c56faf2a55228914dbbd17f8088ed371ebb08f5e7fa6fd931f913fcaf1d",  # uv 0.4.5 to 0.11.17
        "cfb3db86aaa53bb62b5ff764970bec2d71c9228590a0ebec57f6ec926cc0bf1a",  # uv 0.11.18 to 0.13
    }
)
"""The sha256 of _virtualenv.py by its release; lines end with LF alone."""
_LAUNCHER_PATCH = b"""
# for https://github.com/python/cpython/pull/9516, see https://github.com/pypa/virtualenv/issues/1704
import os
if "__PYVENV_LAUNCHER__" in os.environ:
    del os.environ["__PYVENV_LAUNCHER__"]
"""
"""What virtualenv appends for Pythons of macOS before 3.8."""
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


def hacks_of(release: str, name: str) -> frozenset[str]:
    """Return the sha256 that a file of _distutils_hack may have in a release of setuptools; none where nobody knows.

    A release that is newer than all known ones mostly has what one of them has.
    """
    from packaging.version import InvalidVersion, Version

    if name != "__init__.py":
        return frozenset({_OVERRIDE} if name == "override.py" else ())
    try:
        version = Version(release)
    except InvalidVersion:
        return frozenset()
    newer = version > Version(_HACKS[-1][1])
    return frozenset(sha256 for first, last, sha256 in _HACKS if newer or Version(first) <= version <= Version(last))


def is_known_release(release: str) -> bool:
    """Tell whether it is known what a release of setuptools holds."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(_HACKS[0][0]) <= Version(release) <= Version(_HACKS[-1][1])
    except InvalidVersion:
        return False


def is_virtualenv(text: bytes) -> bool:
    """Tell whether this is the _virtualenv.py of a release of virtualenv or uv, as it is written on any system."""
    plain = text.replace(b"\r\n", b"\n").removesuffix(_LAUNCHER_PATCH)
    return hashlib.sha256(plain).hexdigest() in _VIRTUALENV


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
