# ruff: noqa
# mypy: ignore-errors
# Runs in a container's own interpreter, `python -I -S -B -c`, Python 3.6 and up, standard library only.
# Prints one line of JSON: what the machine tells of itself to programs of the container.
import json
import os
import platform

FILES = (
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
    "/sys/devices/system/cpu/online",
)
LIMITS = (
    "cpu.max",
    "memory.max",
    "memory.high",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "memory.limit_in_bytes",
    "memory.stat",
)
LONGEST = 1 << 20


def text(path):
    try:
        with open(path, "rb") as file:
            return file.read(LONGEST).decode("utf-8", "replace")
    except OSError:
        return None


def groups():
    """Yield the folders of control groups that can hold this process."""
    below = set()
    for line in (text("/proc/self/cgroup") or "").splitlines():
        below.add(line.split(":", 2)[-1].strip("/"))
    for line in (text("/proc/self/mountinfo") or "").splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.split(" ", 1)[0] in ("cgroup", "cgroup2"):
            place, root = fields.split(" ")[4], fields.split(" ")[3].strip("/")
            yield place
            for path in below:
                inside = path[len(root) :].strip("/") if path.startswith(root) else path
                while inside:
                    yield place + "/" + inside
                    inside = inside.rpartition("/")[0]


def listed(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def libc():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        return ""


paths = list(FILES) + [folder.rstrip("/") + "/" + name for folder in groups() for name in LIMITS]
files = {path: text(path) for path in paths}
print(
    json.dumps(
        {
            "system": "linux",
            "architecture": platform.machine(),
            "libc": libc(),
            "files": {path: found for path, found in files.items() if found is not None},
            "folders": {folder: listed(folder) for folder in ("/", "/dev", "/run")},
            "threads": os.cpu_count() or 0,
            "affinity": len(os.sched_getaffinity(0)),
            "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        }
    )
)
