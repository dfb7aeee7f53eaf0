"""What MySQL keeps of a password, computed here, so that no statement ever holds the password itself.

A server may log its statements, and PyMySQL's errors may quote them; a hash in them opens no door by itself.
Sources: MySQL Reference Manual, "Native Pluggable Authentication" and "Caching SHA-2 Pluggable Authentication";
the digest of the latter is Ulrich Drepper's "Unix crypt using SHA-256", with a salt of 20 bytes instead of 16.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from enum import StrEnum

ALPHABET = "./" + string.digits + string.ascii_uppercase + string.ascii_lowercase
SALT_CHARACTERS = 20
ROUNDS = 5000
"""In caching_sha2_password's own notation 005, thousands in hexadecimal; a server's default."""

_ORDER = (
    *((0, 10, 20), (21, 1, 11), (12, 22, 2), (3, 13, 23), (24, 4, 14)),
    *((15, 25, 5), (6, 16, 26), (27, 7, 17), (18, 28, 8), (9, 19, 29)),
)
"""In which three bytes of the digest give each four characters."""


class Plugin(StrEnum):
    """How a server checks a login; the names are MySQL's."""

    NATIVE = "mysql_native_password"
    CACHING_SHA2 = "caching_sha2_password"
    IAM = "AWSAuthenticationPlugin"


def authentication_string(plugin: Plugin, password: str) -> str:
    """What `IDENTIFIED WITH plugin AS` wants for this password."""
    if plugin is Plugin.CACHING_SHA2:
        salt = "".join(secrets.choice(ALPHABET) for _ in range(SALT_CHARACTERS))
        return f"$A$005${salt}{sha256_crypt(password.encode(), salt.encode())}"
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def sha256_crypt(password: bytes, salt: bytes) -> str:
    """The 43 characters of SHA-256 crypt after 5,000 rounds; the salt is taken whole, as MySQL takes it."""
    mixed = hashlib.sha256(password + salt + password).digest()
    start = hashlib.sha256(password + salt + _repeated(mixed, len(password)))
    length = len(password)
    while length:
        start.update(mixed if length & 1 else password)
        length >>= 1
    digest = start.digest()
    long_password = _repeated(hashlib.sha256(password * len(password)).digest(), len(password))
    long_salt = _repeated(hashlib.sha256(salt * (16 + digest[0])).digest(), len(salt))
    for turn in range(ROUNDS):
        digest = _round(turn, digest, long_password, long_salt)
    return _encoded(digest)


def _round(turn: int, digest: bytes, password: bytes, salt: bytes) -> bytes:
    odd = turn % 2
    parts = (
        password if odd else digest,
        salt if turn % 3 else b"",
        password if turn % 7 else b"",
        digest if odd else password,
    )
    return hashlib.sha256(b"".join(parts)).digest()


def _repeated(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _encoded(digest: bytes) -> str:
    groups = [(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in _ORDER]
    groups.append((digest[31] << 8 | digest[30], 3))
    return "".join(ALPHABET[value >> (6 * place) & 63] for value, count in groups for place in range(count))
