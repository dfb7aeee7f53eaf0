"""The authentication string that MySQL stores for a password, computed here, so that no statement has the password.

A server may log its statements, and PyMySQL's errors may quote them; nobody can log in with a hash.
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
"""A server's default. In an authentication string it is written 005: thousands, in hexadecimal."""

_ORDER = (
    *((0, 10, 20), (21, 1, 11), (12, 22, 2), (3, 13, 23), (24, 4, 14)),
    *((15, 25, 5), (6, 16, 26), (27, 7, 17), (18, 28, 8), (9, 19, 29)),
)
"""The three bytes of the digest that make four characters each."""


class Plugin(StrEnum):
    """MySQL's authentication plugins, by their names."""

    NATIVE = "mysql_native_password"
    CACHING_SHA2 = "caching_sha2_password"
    IAM = "AWSAuthenticationPlugin"


def authentication_string(plugin: Plugin, password: str) -> str:
    """The string for `IDENTIFIED WITH plugin AS` with which this password can log in."""
    if plugin is Plugin.CACHING_SHA2:
        salt = "".join(secrets.choice(ALPHABET) for _ in range(SALT_CHARACTERS))
        return f"$A$005${salt}{sha256_crypt(password.encode(), salt.encode())}"
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def sha256_crypt(password: bytes, salt: bytes) -> str:
    """The 43 characters of SHA-256 crypt after 5,000 rounds, with the whole salt, as MySQL uses it."""
    mixed = hashlib.sha256(password + salt + password).digest()
    start = hashlib.sha256(password + salt + _repeat(mixed, len(password)))
    length = len(password)
    while length:
        start.update(mixed if length & 1 else password)
        length >>= 1
    digest = start.digest()
    long_password = _repeat(hashlib.sha256(password * len(password)).digest(), len(password))
    long_salt = _repeat(hashlib.sha256(salt * (16 + digest[0])).digest(), len(salt))
    for number in range(ROUNDS):
        digest = _round(number, digest, long_password, long_salt)
    return _encode(digest)


def _round(number: int, digest: bytes, password: bytes, salt: bytes) -> bytes:
    is_odd = number % 2
    parts = (
        password if is_odd else digest,
        salt if number % 3 else b"",
        password if number % 7 else b"",
        digest if is_odd else password,
    )
    return hashlib.sha256(b"".join(parts)).digest()


def _repeat(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _encode(digest: bytes) -> str:
    groups = [(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in _ORDER]
    groups.append((digest[31] << 8 | digest[30], 3))
    return "".join(ALPHABET[value >> (6 * place) & 63] for value, count in groups for place in range(count))
