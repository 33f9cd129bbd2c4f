"""Everything that rules look at: the lock, the observation, and what follows from both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property

import msgspec

from envlock.errors import EnvlockError
from envlock.formats.launcher import shebangs
from envlock.formats.pylock import parse_lock, wheels_of
from envlock.model.artifact import Wheel
from envlock.model.edges import NoProgress, Progress, Records
from envlock.model.finding import Rule, Severity, milder
from envlock.model.influence import Influence, influence_of
from envlock.model.lock import Lock, LockFile, Package
from envlock.model.numbers import Compared
from envlock.model.numerics import Fingerprint, Numerics
from envlock.model.observation import (
    Distribution,
    Environment,
    File,
    Interpreter,
    Observation,
)
from envlock.model.platform import Platform
from envlock.model.terms import Terms
from envlock.verify.claim import Claim, claim_of
from envlock.verify.commands import Commands
from envlock.verify.proof import Proof, prove
from envlock.verify.vouched import Sums

UNLOCKED_TOOLS = frozenset(
    {"pip", "setuptools", "wheel", "packaging", "uv", "distribute", "ipykernel", "pkg-resources"}
)
"""What environments bring along, wheel's one requirement too; no alarm while they shadow nothing (design section 5)."""


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """A locked wheel as it lies on this machine."""

    url: str
    size: int
    mtime_ns: int


Locate = Callable[[Wheel], Located | None]


class Case(Commands):
    """One lock held against one observation. What is derived is computed once, when a rule asks for it."""

    def __init__(
        self,
        lock: LockFile,
        observation: Observation,
        *,
        terms: Terms | None = None,
        sums: Sums | None = None,
        records: Records | None = None,
        locate: Locate | None = None,
        progress: Progress | None = None,
        subject: str = "",
        venv: str = "",
    ) -> None:
        super().__init__(lock, observation, subject, venv)
        self.terms = terms or Terms(full=observation.full)
        self.sums = sums or Sums(images={}, layers=frozenset())
        self.records: Records = records or (lambda wheel: None)  # noqa: ARG005
        self.locate: Locate = locate or (lambda wheel: None)  # noqa: ARG005
        self.progress: Progress = progress or NoProgress()

    @cached_property
    def platform(self) -> Platform:
        """The locked platform that the target is; the first one where it is none of them, or nobody knows."""
        return self.observed_platform or self.lock.platforms[0]

    @cached_property
    def observed_platform(self) -> Platform | None:
        """The target's platform, where it is locked."""
        environment = self.environment
        for platform in self.lock.platforms:
            if self.image is not None and self.image.platform == platform:
                return platform
            if environment is not None and self.image is None:
                interpreter = environment.interpreter
                machine = getattr(interpreter, "machine", "")
                if getattr(interpreter, "system", "") == platform.sys_platform and machine in (
                    platform.machine,
                    platform.architecture,
                ):
                    return platform
        return None

    @cached_property
    def locked(self) -> dict[str, tuple[Package, Wheel]]:
        """The packages that belong on the target's platform, by name."""
        return {package.name: (package, wheel) for package, wheel in wheels_of(self.lock, self.platform)}

    @cached_property
    def image_lock(self) -> Lock | None:
        """The lock that the image says it was built from, where it could be read."""
        if self.image is None or not isinstance(self.image.lock, bytes):
            return None
        if self.is_own_image:
            return self.lock
        try:
            return parse_lock(self.image.lock, self.image.reference).lock
        except EnvlockError:
            return None

    @cached_property
    def is_own_image(self) -> bool:
        """Whether the target is an image that holds this very lock."""
        return (
            self.image is not None
            and isinstance(self.image.lock, bytes)
            and hashlib.sha256(self.image.lock).hexdigest() == self.lock_file.digest
        )

    @cached_property
    def is_vouched(self) -> bool:
        """Whether envlock.sum vouches for every byte of the target: an image, not what a container adds to one."""
        return self.observation.container is None and self.is_vouched_image

    @cached_property
    def is_vouched_image(self) -> bool:
        """Whether envlock.sum vouches for every byte of the image, its configuration too: it knows its digest.

        Of a project image it does for all that is below the project's files: without them it is the one that it knows.
        """
        if self.image is None or not self.is_own_image:
            return False
        if not self.image.digest:
            return self.image.config in self.sums.ids
        project = self.image.project
        expected = self.sums.images.get((self.lock_file.digest, str(self.platform)))
        return expected in (self.image.digest, *(project.environments if project else ()))

    @cached_property
    def vouched_identity(self) -> str:
        """What the image of this lock is called where the target is kept, by envlock.sum; empty where it is unknown."""
        if self.image is not None and not self.image.digest:
            return f"ID sha256:{self.sums.ids[0]}" if self.sums.ids else ""
        digest = self.sums.images.get((self.lock_file.digest, str(self.platform)))
        return f"sha256:{digest}" if digest else ""

    @cached_property
    def image_wheels(self) -> dict[str, tuple[Package, Wheel]]:
        """The packages of the image's own lock, by name; empty where it has none for this platform."""
        lock = self.image_lock
        if lock is None or self.platform not in lock.platforms:
            return {}
        return {package.name: (package, wheel) for package, wheel in wheels_of(lock, self.platform)}

    @cached_property
    def sees_packages(self) -> bool:
        """Whether it is known what is installed: from the files, or from the image's lock."""
        return self.environment is not None or bool(self.image_wheels)

    @cached_property
    def interpreter(self) -> Interpreter | None:
        """The target's Python, seen or as the image's lock tells it."""
        if self.environment is not None:
            found = self.environment.interpreter
            return found if isinstance(found, Interpreter) else None
        lock = self.image_lock
        if lock is None:
            return None
        version = lock.base.python if lock.base else lock.python
        return Interpreter(
            implementation="cpython", version=version, system=self.platform.sys_platform, machine=self.platform.machine
        )

    @cached_property
    def installed(self) -> dict[str, list[Distribution]]:
        """The distributions that the target imports, by name; those of its lock for an unread image."""
        environment = self.environment
        if environment is None:
            return {
                name: [Distribution(name=name, version=package.version, folder="")]
                for name, (package, _) in self.image_wheels.items()
            }
        return environment.imported()

    @cached_property
    def matching(self) -> dict[str, Distribution]:
        """Locked packages that are installed once, at the locked version."""
        from packaging.utils import canonicalize_version

        return {
            name: found[0]
            for name, (package, _) in self.locked.items()
            if len(found := self.installed.get(name, [])) == 1
            and canonicalize_version(found[0].version) == canonicalize_version(package.version)
        }

    @property
    def make_fingerprint(self) -> str:
        """The command that keeps the numbers of this target; it has to be the locked environment first."""
        if self.sees_packages and len(self.matching) < len(self.locked):
            return self.sync
        return super().make_fingerprint

    @property
    def judges_settings(self) -> bool:
        """Whether settings are judged: where `envlock run` or an image sets them, or a hardware class is asked for.

        Elsewhere, in a plain shell, they are told: programs are not meant to be started there. So are those of an
        image of which nothing else is known.
        """
        stranger = self.image is not None and self.image.lock is None and not self.sees_packages
        set_there = self.variables is not None and self.variables.origin in ("run", "image", "container")
        return (set_there and not stranger) or bool(self.terms.on)

    @cached_property
    def expected_variables(self) -> dict[str, str]:
        """The variables that the lock sets where the target's programs run: those of its image only in containers."""
        settings = self.lock.settings.variables
        inside = self.variables is not None and self.variables.origin in ("image", "container")
        return (self.lock.image.env if inside and self.lock.image else {}) | settings

    @cached_property
    def fingerprint(self) -> Fingerprint | None:
        """The fingerprint to hold numbers against, or None where there is none of this very lock."""
        found = self.terms.fingerprint
        return found if isinstance(found, Fingerprint) and found.lock == self.lock_file.digest else None

    @cached_property
    def numerics(self) -> Numerics | None:
        """What the probes answered, or None where they were not run."""
        found = self.observation.numerics
        return found if isinstance(found, Numerics) else None

    @property
    def compares_numbers(self) -> bool:
        """Whether somebody asked for numbers to be compared."""
        return self.observation.numerics is not None or self.terms.fingerprint is not None

    @cached_property
    def numbers(self) -> Compared | None:
        """The answers held against the fingerprint; None where one of both is not there."""
        if self.fingerprint is None or self.numerics is None:
            return None
        from envlock.verify.numbers import compared

        return compared(
            self.fingerprint,
            self.numerics,
            ulps=self.terms.table.ulps,
            explanations=self.observation.explanations,
        )

    def severity(self, rule: Rule) -> Severity:
        """Return the severity of a rule's findings under the lock's policy."""
        return rule.severity_under(self.lock.policy)

    def setting_severity(self, rule: Rule, told: Severity = "info") -> Severity:
        """Return the severity of a finding about a setting: `told` at most where settings are not judged."""
        severity = self.severity(rule)
        if self.judges_settings:
            return severity
        return milder(severity, told)

    def influence(self, name: str) -> Influence:
        """Return how much a package decides the results of this lock."""
        return influence_of(name, self.lock.frameworks)

    @cached_property
    def claims(self) -> dict[str, Claim]:
        """What each distribution says is its own, by metadata folder."""
        environment = self.environment
        if environment is None:
            return {}
        return {d.folder: claim_of(d, environment) for d in environment.distributions}

    @cached_property
    def owners(self) -> dict[str, Distribution]:
        """The distribution that claims a path, by absolute path; a locked one where several do."""
        environment = self.environment
        owners: dict[str, Distribution] = {}
        for distribution in environment.distributions if environment else ():
            for path in self.claims[distribution.folder].owns():
                if path not in owners or distribution.name in self.locked:
                    owners[path] = distribution
        return owners

    @cached_property
    def unclaimed(self) -> dict[str, File]:
        """Files below the sites and in the scripts folder that no distribution claims, bytecode caches apart."""
        environment = self.environment
        if environment is None:
            return {}
        # What an unlocked distribution keeps beside its metadata is its own affair.
        own = tuple(
            d.folder
            for d in environment.distributions
            if d.name not in self.locked or not d.folder.endswith(".dist-info")
        )
        return {
            path: file
            for path, file in environment.files.items()
            if path not in self.owners and "/__pycache__/" not in path and not path.startswith(own)
        }

    @cached_property
    def shebangs(self) -> tuple[bytes, ...]:
        """First lines by which a script may name the target's interpreter."""
        environment = self.environment
        return tuple(shebangs(environment.layout.pythons)) if environment else ()

    @cached_property
    def proofs(self) -> dict[str, Proof]:
        """The outcome for each locked package that is installed at its version; empty unless files were hashed."""
        environment = self.environment
        if environment is None or not environment.hashed:
            return {}
        proofs = {}
        with self.progress.task("Proving packages", len(self.matching)) as task:
            for name, distribution in sorted(self.matching.items()):
                task.advance()
                if not distribution.folder.endswith(".dist-info") or (
                    distribution.direct_url is not None
                    and (distribution.direct_url.editable or distribution.direct_url.vcs)
                ):
                    continue  # package-editable, package-source: another thing than a wheel is installed
                proofs[name] = self._prove(name, distribution, environment)
        return proofs

    def _prove(self, name: str, distribution: Distribution, environment: Environment) -> Proof:
        wheel = self.locked[name][1]

        def attempt(record: bytes | None) -> Proof:
            return prove(
                wheel,
                distribution,
                self.claims[distribution.folder],
                environment,
                shebangs=self.shebangs,
                unclaimed=self.unclaimed,
                locked_record=record,
            )

        proof = attempt(None)
        if proof.state == "proven":
            return proof
        record = self.records(wheel)  # asked only now: it may cost a request
        return proof if record is None else attempt(record)

    def shown(self, path: str) -> str:
        """Return a path as findings show it: below the prefix where it is."""
        environment = self.environment
        prefix = environment.layout.prefix.rstrip("/") + "/" if environment else "/"
        return path[len(prefix) :] if path.startswith(prefix) and self.image is None else path
