"""Certificates made for a test: a good one, and those of authorities that RFC 5280 does not accept."""

import subprocess
from pathlib import Path

BAD_CA = """
[req]
distinguished_name = dn
x509_extensions = ca
prompt = no
[dn]
CN = Old company CA
[ca]
basicConstraints = CA:TRUE
subjectKeyIdentifier = none
[leaf]
subjectAltName = IP:127.0.0.1
authorityKeyIdentifier = none
"""
GOOD_CA = """
[req]
distinguished_name = dn
x509_extensions = ca
prompt = no
[dn]
CN = Company CA
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
subjectAltName = IP:127.0.0.1
authorityKeyIdentifier = keyid
"""


def company(folder: Path, settings: str) -> tuple[Path, Path]:
    """An authority, and a certificate of 127.0.0.1 with its key in one file, signed by that authority."""
    config, ca, leaf = folder / "settings", folder / "ca.pem", folder / "leaf.pem"
    config.write_text(settings)
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-config", str(config))
    key = ("-keyout", str(folder / "ca.key"))
    _openssl("req", "-x509", *new, *key, "-days", "2", "-out", str(ca))
    _openssl("req", *new, "-subj", "/CN=broker", "-keyout", str(folder / "leaf.key"), "-out", str(folder / "leaf.csr"))
    by = ("-CA", str(ca), "-CAkey", str(folder / "ca.key"), "-CAcreateserial")
    form = ("-days", "2", "-extfile", str(config), "-extensions", "leaf")
    _openssl("x509", "-req", "-in", str(folder / "leaf.csr"), *by, *form, "-out", str(leaf))
    leaf.write_text(leaf.read_text() + (folder / "leaf.key").read_text())
    return ca, leaf


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
