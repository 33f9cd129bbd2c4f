"""The commands that findings propose: they differ with what the target is and how the user named it."""

from __future__ import annotations

import posixpath
import shlex

from envlock.model.lock import THREAD_VARIABLES, LockFile
from envlock.model.observation import Environment, ImageFact, Observation, Variables


class Commands:
    """What mends a target, by the lock and what was observed."""

    def __init__(self, lock: LockFile, observation: Observation, subject: str = "", venv: str = "") -> None:
        self.lock_file = lock
        self.lock = lock.lock
        self.observation = observation
        self.subject = subject or self.lock.env
        """How commands name the environment and target, such as `tf25 --image oci:out`."""
        self._venv = f" --venv {shlex.quote(venv)}" if venv else ""

    @property
    def environment(self) -> Environment | None:
        """The observed environment, or None where there was none to see."""
        found = self.observation.environment
        return found if isinstance(found, Environment) else None

    @property
    def image(self) -> ImageFact | None:
        """The observed image, or None."""
        return self.observation.image

    @property
    def variables(self) -> Variables | None:
        """The variables that programs of the target start with, or None where they were not seen."""
        found = self.observation.variables
        return found if isinstance(found, Variables) else None

    @property
    def sync(self) -> str:
        """The command that puts the locked environment in place of what was found."""
        env = self.lock.env
        if self.observation.container is not None:
            return f"envlock run {env} --image -- …   (a new container)"
        if self.image is not None:
            return f"envlock build {env}"
        return f"envlock sync {env}{self._venv}"

    @property
    def start(self) -> str:
        """The command that starts programs with the locked settings."""
        origin = self.variables.origin if self.variables is not None else "shell"
        if origin == "image":
            return self.sync
        return f"envlock run {self.lock.env} {'--image ' if origin == 'container' else ''}-- …"

    def unset(self, name: str, *, lockable: bool = False) -> str:
        """Return the command that takes away a variable; a `lockable` one may be locked for all instead."""
        if self.variables is not None and self.variables.origin in ("image", "container"):
            return self.start
        return f"unset {name}" + (f"   (or lock it: [env.{self.lock.env}.settings] env)" if lockable else "")

    def reinstall(self) -> str:
        """Return the command that puts a package's locked files back."""
        if self.image is not None:
            return self.sync
        return f"envlock sync {self.lock.env}{self._venv} --reinstall"

    def remove(self, path: str) -> str:
        """Return the command that takes away a file or folder that does not belong there."""
        return self.sync if self.image is not None else f"rm -r {shlex.quote(self._named(path))}"

    def _named(self, path: str) -> str:
        """Return a path below the target as the user names it; relative, it shows no folder of this machine."""
        prefix = self.environment.layout.prefix if self.environment else ""
        target = self.observation.target
        for root in (target, posixpath.dirname(posixpath.dirname(target))):  # a folder, or a python in its bin
            is_it = posixpath.basename(root) == posixpath.basename(prefix) and not posixpath.isabs(root)
            if root and is_it and path.startswith(f"{prefix}/"):
                return f"{root}{path[len(prefix) :]}"
        return path

    @property
    def make_fingerprint(self) -> str:
        """The command that keeps the numbers of this target as those of its class of hardware."""
        if self.image is not None:
            return f"envlock fingerprint {self.lock.env} --in-image"
        return f"envlock fingerprint {self.subject}"

    def settle(self, factor: str) -> str:
        """Return the command that makes a factor what it was in a fingerprint: a number of threads, or a variable."""
        env = self.lock.env
        locked = self.lock.settings.variables
        if factor == "threads":
            fixed = self.lock.settings.threads is not None or any(name in locked for name in THREAD_VARIABLES)
            return self.start if fixed else f"envlock lock {env}   (with threads in [env.{env}.settings])"
        return self.start if factor in locked else self.unset(factor, lockable=True)

    def verify(self, flag: str) -> str:
        """Return this same verification with one more flag."""
        return f"envlock verify {self.subject} {flag}"
