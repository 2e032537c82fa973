"""Whose certificates the relay trusts, and how strictly: one opinion for vendors, registry, collector and Kafka."""

import ssl
from collections.abc import Mapping
from typing import Final

CA_FILE: Final = "RELAY_CA_FILE"
TRUST_HINT: Final = f"SSL_CERT_FILE or {CA_FILE} names the file with the authorities to trust"
STRICT: Final = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
"""What Python 3.13 wants of a chain by default (RFC 5280), on every Python: a laptop says what the image will say."""


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Trust the authorities of ``RELAY_CA_FILE``, else the system's, or those of SSL_CERT_FILE and SSL_CERT_DIR."""
    context = ssl.create_default_context(cafile=environ.get(CA_FILE) or None)
    context.verify_flags |= STRICT
    return context


def certificate_fault(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with a certificate, such as a missing extension."""
    return f"certificate verify failed: {error.verify_message}"
