"""SSH signatures through ssh-keygen, which knows agents, hardware keys and passphrases (ssh-keygen(1), -Y)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from envlock.errors import UsageError
from envlock.formats.sshsig import key_fingerprint
from envlock.model.provenance import SIGNING_NAMESPACE, Signature

_KEPT = (
    "PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "TMPDIR", "TEMP", "TERM",
    "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "SSH_SK_PROVIDER", "SSH_PKCS11_HELPER", "SSH_SK_HELPER",
    "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
)  # fmt: skip
"""Where keys and agents are, and how a passphrase is asked for; nothing else of the environment reaches the child."""
_FILE = "statement.sig"
"""Of a signature that is checked: by this name, so that what ssh-keygen says holds no path of this machine."""
_PATIENCE_S = 300
"""Somebody may have to type a passphrase or touch a key."""


class SshKeygen:
    """This machine's ssh-keygen; implements `model.edges.Signatures`."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        found = os.environ if environment is None else environment
        self._environment = {name: found[name] for name in _KEPT if name in found} | {"LC_ALL": "C"}

    def expect(self, key: str) -> Path:
        """Return the file of a key that is going to sign, before much else is done.

        Raises UsageError (`no-ssh-keygen`, `no-such-key`).
        """
        if shutil.which("ssh-keygen", path=self._environment.get("PATH")) is None:
            raise _absent()
        path = Path(key).expanduser()
        if not path.is_file():
            raise UsageError(
                "no-such-key",
                "There is no such key to sign with.",
                expected="the file of a private key, or of a public one whose private key ssh-agent holds",
                found=key,
                hint="ssh-keygen -t ed25519 makes one; `ssh-add -l` lists an agent's.",
            )
        return path

    def sign(self, raw: bytes, key: str, namespace: str = SIGNING_NAMESPACE) -> bytes:
        """Sign on stdin and stdout, so that no file is left behind."""
        path = self.expect(key)
        code, out, err = self._run(["-Y", "sign", "-n", namespace, "-f", str(path)], raw)
        if code != 0 or key_fingerprint(out) is None:
            raise _not_signed(key, err)
        return out

    def check(self, raw: bytes, armored: bytes, allowed: Path | None, namespace: str = SIGNING_NAMESPACE) -> Signature:
        """Check a signature; only with `allowed` signers does it say whose it is."""
        key = key_fingerprint(armored)
        if key is None:
            return Signature(standing="wrong", key="", why="it is no SSH signature")
        if allowed is not None and not allowed.is_file():
            raise UsageError(
                "no-allowed-signers",
                "There is no such file of allowed signers.",
                expected="lines of: PRINCIPAL KEYTYPE KEY (ssh-keygen(1), ALLOWED SIGNERS)",
                found=str(allowed),
            )
        with tempfile.TemporaryDirectory(prefix="envlock-") as folder:
            (Path(folder) / _FILE).write_bytes(armored)
            try:
                return self._checked(raw, Path(folder), key, allowed, namespace)
            except UsageError as error:
                return Signature(standing="unreadable", key=key, why=error.what)

    def _checked(self, raw: bytes, folder: Path, key: str, allowed: Path | None, namespace: str) -> Signature:
        ours = ["-n", namespace, "-s", _FILE]
        why = "its key is not among the allowed signers"
        if allowed is not None:
            listed = ["-f", str(allowed.absolute())]
            code, out, _ = self._run(["-Y", "find-principals", "-s", _FILE, *listed], b"", folder)
            for principal in out.decode(errors="replace").splitlines() if code == 0 else []:
                code, _, err = self._run(["-Y", "verify", *ours, *listed, "-I", principal], raw, folder)
                if code == 0:
                    return Signature(standing="trusted", key=key, principal=principal)
                why = _said(err) or why  # such as a key that is allowed for another namespace, or no longer
        code, _, err = self._run(["-Y", "check-novalidate", *ours], raw, folder)
        if code != 0:
            return Signature(standing="wrong", key=key, why=_said(err))
        if allowed is None:
            return Signature(standing="unchecked", key=key)
        return Signature(standing="unknown", key=key, why=why)

    def _run(self, arguments: Sequence[str], stdin: bytes, folder: Path | None = None) -> tuple[int, bytes, str]:
        try:
            done = subprocess.run(
                ["ssh-keygen", *arguments],  # noqa: S607 - the user's own
                input=stdin,
                capture_output=True,
                env=self._environment,
                cwd=folder,
                timeout=_PATIENCE_S,
                check=False,
            )
        except FileNotFoundError:
            raise _absent() from None
        except subprocess.TimeoutExpired:
            raise UsageError(
                "signing-failed", f"ssh-keygen did not end within {_PATIENCE_S} s.", hint="Does it wait for a key?"
            ) from None
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def _absent() -> UsageError:
    return UsageError(
        "no-ssh-keygen",
        "Signatures are made and checked by ssh-keygen, which is not on this machine.",
        expected="OpenSSH 8.2 or newer",
        hint="Debian: apt-get install openssh-client",
    )


def _not_signed(key: str, err: str) -> UsageError:
    locked = "passphrase" in err
    return UsageError(
        "signing-failed",
        "The key is locked by a passphrase, and there is no terminal to ask for it."
        if locked
        else "ssh-keygen did not sign.",
        where=key,
        found=_said(err),
        hint="Unlock it in an agent: ssh-add KEY" if locked else "Is the private key there, or in ssh-agent?",
    )


def _said(err: str) -> str:
    """Return ssh-keygen's last words."""
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    return lines[-1] if lines else ""
