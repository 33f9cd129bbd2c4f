"""OpenSSL's subject hash, without OpenSSL."""

from __future__ import annotations

import pytest

from envlock.formats.certificate import subject_hash

# Subject: C=HU, O="  NetLock   Kft.", OU="Tan=úsítványkiadók+CN=Főtanúsítvány Arany", emailAddress=CA@Example.COM
PEM = b"""\
-----BEGIN CERTIFICATE-----
MIICaTCCAg+gAwIBAgIUPnkLrA3xtITk+HhTUBV3kik8E30wCgYIKoZIzj0EAwIw
gYgxCzAJBgNVBAYTAkhVMRkwFwYDVQQKDBAgIE5ldExvY2sgICBLZnQuMT8wHQYD
VQQLDBZUYW49w7pzw610dsOhbnlraWFkw7NrMB4GA1UEAwwXRsWRdGFuw7pzw610
dsOhbnkgQXJhbnkxHTAbBgkqhkiG9w0BCQEWDkNBQEV4YW1wbGUuQ09NMCAXDTI2
MTEyMjA1NTIxMVoYDzIxMjYxMDI5MDU1MjExWjCBiDELMAkGA1UEBhMCSFUxGTAX
BgNVBAoMECAgTmV0TG9jayAgIEtmdC4xPzAdBgNVBAsMFlRhbj3DunPDrXR2w6Fu
eWtpYWTDs2swHgYDVQQDDBdGxZF0YW7DunPDrXR2w6FueSBBcmFueTEdMBsGCSqG
SIb3DQEJARYOQ0FARXhhbXBsZS5DT00wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AATn+jShz68VE9kcZjSBaZ6Xly1uyjk3PQR1Wq0Oxuy5bU23JixPmdN3KafaIB71
nbOIIZ7q5fNn35PLKS+jDILuo1MwUTAdBgNVHQ4EFgQU2U+Mqbx1AiRWEjt21w1b
4RVpVZ0wHwYDVR0jBBgwFoAU2U+Mqbx1AiRWEjt21w1b4RVpVZ0wDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiALf1vQ3+Mp0ytpz0ZpYLtDj8eik9WM
IJ3QCp8MfmtTpAIhAO1PgdLzPK5XLnFRk5M4BsGlZ1qfa4TGfRsokUZRE/iJ
-----END CERTIFICATE-----
"""
HASH = "73b5b836"
"""As `openssl x509 -noout -hash` prints it."""


def test_the_subject_is_hashed_as_openssl_hashes_it() -> None:
    """White space collapses, ASCII letters become small, other letters stay."""
    assert subject_hash(PEM) == HASH


def test_text_around_the_certificate_does_not_matter() -> None:
    """Bundles carry comments."""
    assert subject_hash(b"# a comment\n" + PEM + PEM) == HASH


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", PEM[:60]])
def test_what_is_no_certificate_is_refused(pem: bytes) -> None:
    """A ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError, match="certificate"):
        subject_hash(pem)


def test_no_damage_escapes_as_another_error() -> None:
    """Certificates cut anywhere are refused or hashed, nothing else."""
    import base64

    der = base64.b64decode(b"".join(PEM.splitlines()[1:-1]))
    for size in range(0, len(der), 3):
        cut = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(der[:size]) + b"\n-----END CERTIFICATE-----\n"
        with pytest.raises(ValueError):
            subject_hash(cut)
