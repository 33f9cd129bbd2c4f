"""SSH signatures of files, as far as they can be read without checking them (OpenSSH, PROTOCOL.sshsig)."""

from __future__ import annotations

import base64
import binascii
import hashlib

_BEGIN, _END = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG"
_LONGEST = 1 << 20


def key_fingerprint(armored: bytes) -> str | None:
    """Return `SHA256:…` of the key that a signature names, as ssh-keygen prints it; None for what is no signature."""
    lines = armored.strip().splitlines()
    if len(armored) > _LONGEST or len(lines) < 3 or (lines[0].strip(), lines[-1].strip()) != (_BEGIN, _END):
        return None
    try:
        raw = base64.b64decode(b"".join(line.strip() for line in lines[1:-1]), validate=True)
    except binascii.Error:
        return None
    head = len(_MAGIC) + 4  # the magic and the version of the format
    if not raw.startswith(_MAGIC) or int.from_bytes(raw[len(_MAGIC) : head], "big") != 1:
        return None
    length = int.from_bytes(raw[head : head + 4], "big")
    key = raw[head + 4 : head + 4 + length]
    if not key or len(key) != length:
        return None
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).rstrip(b"=").decode()
