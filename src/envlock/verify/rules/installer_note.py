"""installer-note: a file that the installer adds to .dist-info holds what no installer writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from envlock.formats.dist_info import is_known_installer, read_cache_stamp, read_direct_url
from envlock.model.artifact import Wheel
from envlock.model.finding import Finding, Rule
from envlock.model.observation import DirectUrl, Distribution, File
from envlock.verify.case import Case, Located
from envlock.verify.proof import Proof

RULE = Rule(
    id="installer-note",
    family="FILE",
    needs="bytes",
    title="INSTALLER, REQUESTED, direct_url.json and uv_cache.json hold what installers write there.",
    why="No wheel vouches for these files, so they are judged by what they may say.",
    nature="integrity",
    impact="security",
    source="Recording installed projects; PEP 610; uv; conda keeps the direct_url.json of its build machines",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each such file of a proven package that says something it cannot say."""
    folders = Counter(_folder(proof.distribution.direct_url) for proof in case.proofs.values())
    accounted = {name: _is_accounted(case, name, proof, folders) for name, proof in case.proofs.items()}
    known = any(value is True for value in accounted.values())
    for name, proof in case.proofs.items():
        if proof.state != "proven":
            continue
        for note, judge in _JUDGES.items():
            path = f"{proof.distribution.folder}/{note}"
            file = case.environment.files.get(path) if case.environment else None
            if file is None:
                continue
            if note == "direct_url.json" and _is_of_a_conda_build(proof.distribution):
                continue
            problem = file.problem or judge(file, case.locked[name][1], case.locate(case.locked[name][1]))
            if not problem and note == "direct_url.json" and known and accounted[name] is False:
                problem = "names a place where no locked wheel is, while the other packages' do"
            if problem:
                yield RULE.finding(
                    f"{name}: {case.shown(path)}",
                    expected=_EXPECTED[note],
                    found=problem,
                    fix=case.reinstall(),
                    package=name,
                    path=case.shown(path),
                    rank=case.influence(name).rank,
                )


def _is_of_a_conda_build(distribution: Distribution) -> bool:
    """Tell whether direct_url.json names the folder on another machine in which conda's package was built."""
    found = distribution.direct_url
    return distribution.by_conda and found is not None and found.url.startswith("file:") and not found.editable


def _installer(file: File, wheel: Wheel, located: Located | None) -> str:  # noqa: ARG001
    content = file.content or b""
    return "" if is_known_installer(content) else f"{content[:60]!r}, the name of no installer that is known"


def _requested(file: File, wheel: Wheel, located: Located | None) -> str:  # noqa: ARG001
    return f"{file.size} bytes" if file.size else ""


def _direct_url(file: File, wheel: Wheel, located: Located | None) -> str:
    try:
        found = read_direct_url(file.content or b"")
    except ValueError as error:
        return str(error)
    from urllib.parse import unquote, urlsplit

    if found.vcs or found.editable:
        return f"{found.url}, though the bytes are the locked wheel's"
    if found.sha256 and found.sha256 != wheel.sha256:
        return f"sha256 {found.sha256}, though the bytes are the locked wheel's"
    if not found.sha256 and located is not None and found.url == located.url:
        return ""
    name = unquote(urlsplit(found.url).path).rpartition("/")[2]
    return "" if name == wheel.name else f"{found.url}, which is not {wheel.name}"


def _uv_cache(file: File, wheel: Wheel, located: Located | None) -> str:  # noqa: ARG001
    try:
        stamp = read_cache_stamp(file.content or b"")
    except ValueError as error:
        return str(error)
    if stamp is not None and not _UV_BEGAN <= stamp < _ABSURD:
        return "a time before uv, or far ahead"
    return ""


_UV_BEGAN = 1_700_000_000 * 10**9
"""uv_cache.json holds the change time of the wheel that was installed; uv's first release is of February 2024."""
_ABSURD = 4_102_444_800 * 10**9
"""The year 2100. Nothing else can be said of a time: mtimes of files are changed by whoever copies them."""


def _folder(direct_url: DirectUrl | None) -> str:
    return direct_url.url.rpartition("/")[0] if direct_url is not None else ""


def _is_accounted(case: Case, name: str, proof: Proof, folders: Counter[str]) -> bool | None:
    """Tell whether direct_url.json names the wheel by its hash, or a place where it is or another package came from.

    None where there is no such file.
    """
    found = proof.distribution.direct_url
    if found is None:
        return None
    wheel = case.locked[name][1]
    located = case.locate(wheel)
    at_hand = located is not None and found.url == located.url
    return found.sha256 == wheel.sha256 or found.url == wheel.url or at_hand or folders[_folder(found)] > 1


_JUDGES: dict[str, Callable[[File, Wheel, Located | None], str]] = {
    "INSTALLER": _installer,
    "REQUESTED": _requested,
    "direct_url.json": _direct_url,
    "uv_cache.json": _uv_cache,
}
_EXPECTED = {
    "INSTALLER": "the name of an installer",
    "REQUESTED": "an empty file",
    "direct_url.json": "the locked wheel",
    "uv_cache.json": "what uv writes there",
}
