"""Why a client refused the certificate of a database: it has another name, or nobody whom the client trusts signed it."""

from __future__ import annotations

from errors import DatabaseUnreachable

WRONG_NAME = "Certificate of another name"
OTHER_NAME = ("does not match host name", "hostname mismatch", "ip address mismatch")
"""Sources: libpq's fe-secure-common.c; OpenSSL's x509_txt.c, whose texts Python quotes."""
NOT_TRUSTED = ("certificate verify failed", "root certificate", "server certificate")
"""Sources: libpq's fe-secure-openssl.c; OpenSSL's ssl_err.c."""


def certificate_refusal(message: str, connection: str) -> DatabaseUnreachable | None:
    """The error of a client whose driver says this; None if it is not about a certificate."""
    if any(text in message.lower() for text in OTHER_NAME):
        text = (
            f"The server's certificate does not have the name of {connection}: {message}. "
            "If the cluster was renamed, stop and start it, so that RDS issues a new certificate."
        )
        return DatabaseUnreachable(WRONG_NAME, text, code=None)
    if any(text in message.lower() for text in NOT_TRUSTED):
        text = (
            f"The server's certificate is not trusted ({connection}): {message}. "
            "Check that AURORA_RESTORE_DATABASE_TLS_CA_FILE is the current RDS global bundle."
        )
        return DatabaseUnreachable("Certificate not trusted", text, code=None)
    return None
