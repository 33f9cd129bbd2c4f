"""The subject hash by which OpenSSL finds a certificate in a folder (X509_NAME_hash, openssl-rehash(1))."""

from __future__ import annotations

import base64
import hashlib
import re

_PEM = re.compile(rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----(.*?)-----END", re.DOTALL)
_SEQUENCE, _SET, _UTF8 = 0x30, 0x31, 0x0C
_LATIN = dict.fromkeys((0x13, 0x14, 0x16, 0x1A), "latin-1")
_TEXT = {0x0C: "utf-8", 0x1C: "utf-32-be", 0x1E: "utf-16-be", **_LATIN}
"""Encodings of the string types that OpenSSL makes canonical (ASN1_MASK_CANON in crypto/x509/x_name.c)."""


def subject_hash(pem: bytes) -> str:
    """Return the eight hex digits of a PEM certificate's subject; ValueError where it is no certificate."""
    match = _PEM.search(pem)
    if not match:
        raise ValueError("no PEM certificate")
    try:
        (certificate,) = _children(base64.b64decode(match[1]), _SEQUENCE)
        fields = _elements(_elements(certificate)[0][1])
        # version [0] is optional; then serial number, signature, issuer, validity, subject (RFC 5280, 4.1).
        subject = fields[5 if fields[0][0] == 0xA0 else 4]
        sets = (sorted(map(_canonical, _elements(rdn))) for _, rdn in _elements(subject[1]))
        names = b"".join(_der(_SET, b"".join(attributes)) for attributes in sets)
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"damaged certificate: {error}") from error
    return hashlib.sha1(names, usedforsecurity=False).digest()[3::-1].hex()


def _canonical(attribute: tuple[int, bytes]) -> bytes:
    (oid_tag, oid), (tag, value) = _elements(attribute[1])
    if tag in _TEXT:
        # ASCII letters to lower case, ASCII white space trimmed and collapsed; other characters as they are.
        text = value.decode(_TEXT[tag])
        text = re.sub(r"[ \t\n\v\f\r]+", " ", text).strip(" ")
        text = re.sub("[A-Z]", lambda letter: letter[0].lower(), text)
        tag, value = _UTF8, text.encode("utf-8")
    return _der(_SEQUENCE, _der(oid_tag, oid) + _der(tag, value))


def _children(der: bytes, tag: int) -> list[bytes]:
    found = _elements(der)[:1]
    if [each for each, _ in found] != [tag]:
        raise ValueError(f"damaged certificate: tag {tag:#x} expected")
    return [content for _, content in found]


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """Cut DER into (tag, content) pairs (X.690, 8.1)."""
    found = []
    position = 0
    while position < len(der):
        tag, length = der[position], der[position + 1]
        position += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(der[position : position + count], "big")
            position += count
        if position + length > len(der):
            raise ValueError("damaged certificate: cut short")
        found.append((tag, der[position : position + length]))
        position += length
    return found


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content
