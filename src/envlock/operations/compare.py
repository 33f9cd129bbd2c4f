"""`envlock compare`: reports of several machines held against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

from envlock.errors import UsageError, one_line
from envlock.model.comparison import Comparison
from envlock.model.manifest import Manifest
from envlock.operations.reports import Opened
from envlock.verify.comparison import compare_reports


def compare_opened(opened: Sequence[Opened]) -> Comparison:
    """Compare two reports or more, whose signatures were checked when they were read.

    Raises UsageError (`too-few-reports`).
    """
    if len(opened) < 2:
        raise UsageError(
            "too-few-reports",
            "One report can be compared with nothing.",
            found=opened[0].where if opened else "",
            hint="Make another one elsewhere: envlock report -o FILE, or --as NAME to keep it in the project",
        )
    names = names_of([_path_of(each.where) for each in opened])
    return compare_reports(
        {name: each.report for name, each in zip(names, opened, strict=True)},
        {name: each.signature for name, each in zip(names, opened, strict=True)},
    )


def kept_folder(manifest: Manifest) -> Path:
    """Return the folder of the reports that the project keeps of its one environment that has any.

    Raises UsageError (`no-report`, `which-env`).
    """
    folders = [path for name in sorted(manifest.environments) if (path := manifest.reports_path(name)).is_dir()]
    if len(folders) == 1:
        return folders[0]
    if not folders:
        raise UsageError(
            "no-report",
            "This project keeps no reports.",
            expected=f"reports in {manifest.reports_path('ENV').relative_to(manifest.folder).as_posix()}",
            hint="Keep one: envlock report --as NAME. Or name files: envlock compare ONE.json OTHER.json",
        )
    shown = [path.relative_to(manifest.folder).as_posix() for path in folders]
    raise UsageError(
        "which-env",
        "The project keeps reports of several environments.",
        expected="one of: " + ", ".join(path.name for path in folders),
        hint=f"Name the folder of one: envlock compare {shown[0]}",
    )


def _path_of(where: str) -> PurePath:
    """Return what a report is called by: its file, or the beginning of the digest of what is attached to an image."""
    _, attached, digest = where.rpartition(", attached as ")
    return PurePath(digest.rpartition(":")[2][:12] if attached else where)


def names_of(paths: Sequence[PurePath]) -> tuple[str, ...]:
    """Return a name of its own for each file: its stem, with as many folders before it as tell it from the others."""
    names = [path.stem for path in paths]
    for depth in range(1, max((len(path.parts) for path in paths), default=1)):
        counts = Counter(names)
        if max(counts.values(), default=1) == 1:
            break
        names = [
            "/".join((*path.parts[-depth - 1 : -1], path.stem)) if counts[name] > 1 else name
            for name, path in zip(names, paths, strict=True)
        ]
    seen: Counter[str] = Counter()
    told = []
    for name in map(one_line, names):
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(told)
