"""Statements and hashes that MariaDB does not know, as text: no MySQL 8 runs here."""

from __future__ import annotations

import re
from typing import Any

import pytest

from activities.databases.mysql import accounts
from activities.databases.mysql.accounts import authentication_clause, opening_statement
from activities.databases.mysql.grants import PRIVILEGES, grant_statements
from activities.databases.mysql.password_hashes import Plugin, authentication_string, sha256_crypt
from models.users import Access, Grant

GRANTS = (Grant(database="my_db", access=Access.READ_ONLY), Grant(database="other", access=Access.READ_WRITE))


class QuotingConnection:
    """The one method of a connection that statements need."""

    def escape(self, text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def test_the_digest_of_caching_sha2_password_is_mysqls() -> None:
    """The published example of hashcat's mode 7401: password hashcat, and a salt of 20 bytes that are no text."""
    salt = bytes.fromhex("F9CC98CE08892924F50A213B6BC571A2C11778C5")
    assert sha256_crypt(b"hashcat", salt) == "bTy95Y99eAME1dwEkHOA1ndHGBWz.1bxSSRkuTXFGV/"


def test_authentication_strings_have_mysqls_form() -> None:
    """Rounds, salt and digest for one plugin, 40 hexadecimal digits for the other; each salt is new."""
    first, second = (authentication_string(Plugin.CACHING_SHA2, "p") for _ in range(2))
    assert re.fullmatch(r"\$A\$005\$[./0-9A-Za-z]{20}[./0-9A-Za-z]{43}", first)
    assert first != second
    # MySQL Reference Manual, PASSWORD('mypass')
    assert authentication_string(Plugin.NATIVE, "mypass") == "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"


@pytest.mark.parametrize(
    ("variables", "plugin"),
    [
        ([], Plugin.NATIVE),
        ([("default_authentication_plugin", "mysql_native_password")], Plugin.NATIVE),
        (
            [("authentication_policy", "*,,"), ("default_authentication_plugin", "caching_sha2_password")],
            Plugin.CACHING_SHA2,
        ),
        ([("authentication_policy", "*,,"), ("default_authentication_plugin", "mysql_native_password")], Plugin.NATIVE),
        ([("authentication_policy", "*,,")], Plugin.CACHING_SHA2),
        ([("authentication_policy", "*:mysql_native_password,,")], Plugin.NATIVE),
    ],
)
def test_the_servers_default_plugin_is_used(
    monkeypatch: pytest.MonkeyPatch, variables: list[tuple[str, str]], plugin: Plugin
) -> None:
    """MariaDB has neither variable, MySQL 8.0 both, MySQL 8.4 the policy only."""
    monkeypatch.setattr(accounts, "execute", lambda *_: variables)
    connection: Any = None
    assert accounts.password_plugin(connection) is plugin


def test_the_statements_for_a_user_of_iam() -> None:
    """As in the Aurora User Guide; TLS is required, because a token is sent in clear text."""
    connection: Any = QuotingConnection()
    clause = authentication_clause(connection, Plugin.IAM, "RDS")
    assert opening_statement("'app'@'%'", clause, require_ssl=True) == (
        "ALTER USER 'app'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL ACCOUNT UNLOCK"
    )


def test_the_statements_for_grants() -> None:
    """All privileges are revoked, then the grants given; with partial_revokes, names have no wildcards to escape."""
    assert list(grant_statements("'app'@'%'", GRANTS, has_wildcards=True)) == [
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'app'@'%'",
        "GRANT SELECT, SHOW VIEW ON `my\\_db`.* TO 'app'@'%'",
        f"GRANT {PRIVILEGES[Access.READ_WRITE]} ON `other`.* TO 'app'@'%'",
    ]
    assert "`my_db`" in list(grant_statements("'app'@'%'", GRANTS, has_wildcards=False))[1]
    assert list(grant_statements("'app'@'%'", (), has_wildcards=True)) == [], "those of the snapshot stay"
