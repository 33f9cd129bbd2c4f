"""`envlock verify --report`: what somebody else's report says is judged against the lock, as far as it can be."""

from __future__ import annotations

import shlex
from functools import cached_property

import msgspec

from envlock.errors import UnverifiableError, UsageError
from envlock.formats.record import Record
from envlock.model.finding import Verdict, judge
from envlock.model.lock import LockFile
from envlock.model.observation import DirectUrl, Distribution, Environment, File, Layout, Observation, Variables
from envlock.model.report import Checkout, Installed, Report
from envlock.model.terms import Terms
from envlock.model.unknown import Unknown
from envlock.operations.reports import Opened
from envlock.operations.verify import Witnesses
from envlock.verify.case import Case
from envlock.verify.claim import Claim
from envlock.verify.judgement import verdict_of
from envlock.verify.proof import Proof
from envlock.verify.rules import all_rules

_SITE = "/site-packages"
_NO_CLAIM = Claim(record=Record(rows=()), rows={}, launchers={}, notes=frozenset())
_NO_FILES = "a report holds no files"
_BY_CONTENTS = ("package-rebuilt", "package-unproven")
_ELSEWHERE = "a place that the report leaves out"


def verify_report(
    lock_file: LockFile,
    opened: Opened,
    *,
    witnesses: Witnesses,
    terms: Terms,
    subject: str = "",
    checkout: Checkout | Unknown | None = None,
) -> Verdict:
    """Judge a report by the rules that judge environments. It is a claim: nobody looks at the machine itself.

    Packages are proven where the report holds the `contents` of what is installed, else judged by their versions. What
    is installed at the locked version with other contents is drift, for a claim is no evidence of tampering.

    Args:
        checkout: of this project, so that a report of another one is told.

    Raises UsageError (`other-project`, `other-environment`) and UnverifiableError (`not-hashed`) where `terms.full`
    asks for proof and the report has none.
    """
    report, where = opened.report, opened.where
    _refuse_another(report, lock_file, where, checkout)
    if terms.full and not report.full:
        raise UnverifiableError(
            "not-hashed",
            "The report names versions alone, so it proves no file.",
            where=where,
            hint="Have it made again with every file hashed: envlock report --full -o FILE",
        )
    subject = subject or f"{lock_file.lock.env} --report {shlex.quote(where)}"
    case = _ReportedCase(lock_file, report, name=where, witnesses=witnesses, terms=terms, subject=subject)
    return _as_claimed(verdict_of(case), opened, strict=terms.strict)


class _ReportedCase(Case):
    """A lock held against what a report says: proofs come from its digests, nothing can be looked up."""

    def __init__(
        self, lock_file: LockFile, report: Report, *, name: str, witnesses: Witnesses, terms: Terms, subject: str
    ) -> None:
        observation = _observation(report, name)
        super().__init__(lock_file, observation, terms=terms, progress=witnesses.progress, subject=subject)
        self.contents: dict[str, tuple[str, ...]] = {}
        if not isinstance(report.distributions, Unknown):
            self.contents = {each.name: each.contents for each in report.distributions}

    @cached_property
    def claims(self) -> dict[str, Claim]:
        """What distributions say of their files, which a report leaves out."""
        environment = self.environment
        return {each.folder: _NO_CLAIM for each in environment.distributions} if environment is not None else {}

    @cached_property
    def proofs(self) -> dict[str, Proof]:
        """The outcome for each locked package that is there at its version, where the report has digests."""
        if self.environment is None or not self.environment.hashed:
            return {}
        return {
            name: self._reported(name, distribution)
            for name, distribution in sorted(self.matching.items())
            if self.contents[name] or distribution.direct_url is None
        }

    def _reported(self, name: str, distribution: Distribution) -> Proof:
        wheel, contents = self.locked[name][1], self.contents[name]
        same = wheel.contents in contents
        return Proof(
            distribution=distribution,
            wheel=wheel,
            claim=_NO_CLAIM,
            state="proven" if same else "rebuilt" if contents else "unproven",
            reason="" if same else "with other files" if contents else "the report has no digest of its files",
        )

    def remove(self, path: str) -> str:
        """Return what to do on the machine that the report is of."""
        return f"there: rm {shlex.quote(self.shown(path))}"


def _refuse_another(report: Report, lock_file: LockFile, where: str, checkout: Checkout | Unknown | None) -> None:
    """Raise UsageError where a report is certainly of something else than this lock."""
    here = checkout.root if isinstance(checkout, Checkout) else None
    there = report.checkout.root if isinstance(report.checkout, Checkout) else None
    if here is not None and there is not None and here != there:
        raise UsageError(
            "other-project",
            "The report is of another project: its repository does not begin with the same commit.",
            where=where,
            expected=f"first commit {here[:12]}",
            found=f"first commit {there[:12]}",
            hint="Verify it there, or make the report in this project.",
        )
    if report.lock is not None and report.lock.env != lock_file.lock.env:
        raise UsageError(
            "other-environment",
            "The report is of another environment.",
            where=where,
            expected=lock_file.lock.env,
            found=report.lock.env,
            hint=f"envlock verify {shlex.quote(report.lock.env)} --report {shlex.quote(where)}, "
            f"or make it again: envlock report {lock_file.lock.env} -o FILE",
        )


def _observation(report: Report, target: str) -> Observation:
    """Return a report as if it had been seen, under paths of our own."""
    variables = report.variables
    if isinstance(variables, Variables):
        variables = msgspec.structs.replace(variables, origin="report")
    environment: Environment | Unknown
    if isinstance(report.distributions, Unknown):
        environment = report.distributions
    else:
        environment = Environment(
            interpreter=report.interpreter,
            layout=Layout(prefix="/", sites=(_SITE,), scripts="/bin", data="/"),
            distributions=tuple(_installed(each) for each in report.distributions),
            files={
                f"{_SITE}/{each.name}": File(
                    kind="file",
                    size=0,
                    sha256=each.sha256 or "",
                    content=b"import lines that the report does not hold\n"
                    if each.name.endswith((".pth", ".start"))
                    else None,
                )
                for each in report.startup
            },
            walked=True,
            hashed=report.full,
        )
    return Observation(
        target=target, full=report.full, environment=environment, machine=report.machine, variables=variables
    )


def _installed(each: Installed) -> Distribution:
    direct_url = None
    if each.source is not None:
        vcs = "vcs" if each.source.kind == "vcs" else ""
        sha256 = each.source.sha256 or ""
        direct_url = DirectUrl(url=_ELSEWHERE, editable=each.source.editable, vcs=vcs, sha256=sha256)
    return Distribution(
        name=each.name,
        version=each.version,
        folder=f"{_SITE}/{each.name.replace('-', '_')}-{each.version}.dist-info",
        installer=each.installer,
        direct_url=direct_url,
        problem=each.problem,
        by_conda=each.installer.startswith("conda"),
    )


def _as_claimed(verdict: Verdict, opened: Opened, *, strict: bool) -> Verdict:
    """Return a verdict that says whose word it rests on, without the rules that want the files themselves."""
    report = opened.report
    judged = ("startup-code", *(_BY_CONTENTS if report.full else ()))
    silent = {rule.id: _NO_FILES for rule in all_rules() if rule.family == "FILE" and rule.id not in judged}
    depth = "by the digest of each package" if report.full else "by versions"
    signed = f", {opened.signer}," if opened.signer else ""
    claim = f"as the report of {report.created[:10]}{signed} says, {depth}"
    return judge(
        msgspec.structs.replace(verdict.summary, claim=claim),
        [finding for finding in verdict.findings if finding.rule not in silent],
        strict=strict,
        unjudged={**verdict.unjudged, **silent},
    )
