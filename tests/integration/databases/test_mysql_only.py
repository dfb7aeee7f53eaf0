"""What only MySQL has: accounts by host, patterns in GRANT, its hashes; and, as text, what MariaDB does not run."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import pytest
from pymysql.err import OperationalError

from activities.databases.mysql import accounts, errors, session_lock
from activities.databases.mysql.accounts import PRIVILEGES, as_pattern, grant_statements, identified, login_statements
from activities.databases.mysql.password_hashes import Plugin, authentication_string, sha256_crypt
from clients.mysql import MysqlConnector
from devstack.processes import free_port
from errors import DatabaseUnreachable, StepFailed
from models.users import Access, Grant
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Mysql

READ = (Grant(database="my_db", access=Access.READ_ONLY), Grant(database="other", access=Access.READ_WRITE))


class Quoting:
    """As much of a connection as the statements need."""

    def escape(self, text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


# On MariaDB


def test_every_account_of_a_users_name_is_the_user(mysql: Mysql) -> None:
    """MySQL lets in by the most specific host: an account of production beside ours would keep its password."""
    name = mysql.unique("app")
    mysql.host.as_rdsadmin("restored", "CREATE USER %s@'127.0.0.1' IDENTIFIED BY 'of-production'", name)
    answer = mysql.set_up(mysql.user(name, "p"))
    assert (answer.created, answer.altered) == ((), (name,))
    assert mysql.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]
    with pytest.raises(DatabaseUnreachable, match="Login refused"):
        mysql.session(name, "of-production")


def test_a_grant_is_not_a_pattern(mysql: Mysql) -> None:
    """An underscore in a database's name stands for itself: orders_1 gives nothing on ordersX1."""
    neighbour = mysql.name.replace("_", "X")
    mysql.make_database(neighbour)
    user = mysql.user(mysql.unique("app"), "p")
    mysql.set_up(user)
    with pytest.raises(DatabaseUnreachable, match="Connection refused by the database"):
        mysql.session(user.name, "p", neighbour)


def test_read_only_loses_what_production_gave_everywhere(mysql: Mysql) -> None:
    """Rights on *.*, on a table and to pass on would all outlive a REVOKE on the database."""
    name = mysql.unique("report")
    mysql.make_login(name, "of-production")
    for what in ("INSERT, UPDATE ON *.*", f"DELETE ON `{mysql.name}`.orders"):
        mysql.host.as_rdsadmin("restored", f"GRANT {what} TO '{name}'@'%' WITH GRANT OPTION")
    mysql.set_up(mysql.user(name, "p"))
    grants = [str(row[0]) for row in mysql.host.as_rdsadmin("restored", f"SHOW GRANTS FOR '{name}'@'%'")]
    assert [re.sub(r" IDENTIFIED.*", "", grant) for grant in grants] == [
        f"GRANT USAGE ON *.* TO `{name}`@`%`",
        f"GRANT SELECT, SHOW VIEW ON `{as_pattern(mysql.name)}`.* TO `{name}`@`%`",
    ]


def test_sessions_are_ended_by_rds_where_there_is_rds(mysql: Mysql) -> None:
    """With mysql.rds_kill on the server it is called, as the master user of RDS may not KILL."""
    mysql.host.as_rdsadmin("restored", "CREATE PROCEDURE mysql.rds_kill(IN session BIGINT) KILL session")
    try:
        name = mysql.unique("production")
        mysql.make_login(name, "of-production")
        with closing(mysql.session(name, "of-production", "information_schema")):
            mysql.set_up()
    finally:
        mysql.host.as_rdsadmin("restored", "DROP PROCEDURE mysql.rds_kill")
    assert "CALL mysql.rds_kill(" in mysql.host.log("restored")


def test_a_reader_is_waited_for(mysql: Mysql) -> None:
    """After a failover the endpoint leads to a server that only reads until DNS has the new writer."""
    user = mysql.user(mysql.unique("app"), "p")
    mysql.host.as_rdsadmin("restored", "SET GLOBAL read_only = 1")
    try:
        with pytest.raises(DatabaseUnreachable, match="Database busy.*1290"):
            mysql.set_up(user)
    finally:
        mysql.host.as_rdsadmin("restored", "SET GLOBAL read_only = 0")
    mysql.set_up(user)


def test_an_option_that_prevents_for_good_ends_the_night() -> None:
    """The same number, but nothing that passes."""
    error = OperationalError(1290, "The MySQL server is running with the --secure-file-priv option so it cannot")
    assert isinstance(errors._refused(error, "SQL file failed"), StepFailed)


def test_a_server_in_read_only_mode_is_waited_for() -> None:
    """As MySQL 8 says it of a storage that takes no writes; MariaDB does not know the number."""
    assert isinstance(errors._refused(OperationalError(1836, "read-only mode"), "-"), DatabaseUnreachable)


@pytest.mark.parametrize("name", ["x" * 33, "app ", "app😀"])
def test_a_name_that_mysql_would_not_keep_is_refused(mysql: Mysql, name: str) -> None:
    """Longer than 32 characters, a blank at the end, four bytes: it would be somebody else's, or nobody's."""
    with pytest.raises(StepFailed, match="MySQL"):
        mysql.set_up(mysql.user(name, "p"))


def test_an_unreachable_database_is_the_networks_failure(mysql: Mysql) -> None:
    """Connection timeout, transient: an endpoint needs a while to appear."""
    endpoint = mysql.endpoint.model_copy(update={"port": free_port()})
    with pytest.raises(DatabaseUnreachable) as failed:
        mysql.set_up(endpoint=endpoint)
    assert failed.value.fault.short == "Connection timeout"
    assert not failed.value.non_retryable


def test_a_server_without_tls_is_refused_where_tls_is_wanted(mysql: Mysql) -> None:
    """With verify-full no password goes over an open line."""
    import certifi  # comes with boto3's own libraries

    mysql.mysql = MysqlConnector(tls=True, ca_file=certifi.where(), connect_seconds=5)  # type: ignore[arg-type]
    with pytest.raises(DatabaseUnreachable, match="SSL"):
        mysql.set_up(mysql.user(mysql.unique("app"), "p"))


def test_a_user_of_iam_where_there_is_none_is_refused_without_its_statement(mysql: Mysql) -> None:
    """MariaDB has no AWSAuthenticationPlugin: the night ends with what the server says."""
    with pytest.raises(StepFailed, match="Users not configured.*AWSAuthenticationPlugin"):
        mysql.set_up(mysql.user(mysql.unique("app"), None))


# As text: MySQL 8 itself is not run here


def test_caching_sha2_is_computed_as_mysql_does() -> None:
    """The published example of hashcat's mode 7401: password hashcat, a salt of 20 bytes that are no text."""
    salt = bytes.fromhex("F9CC98CE08892924F50A213B6BC571A2C11778C5")
    assert sha256_crypt(b"hashcat", salt) == "bTy95Y99eAME1dwEkHOA1ndHGBWz.1bxSSRkuTXFGV/"


def test_what_mysql_keeps_has_its_form() -> None:
    """Rounds, salt and digest for one plugin, 40 digits for the other; a salt is never used twice."""
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
def test_the_servers_own_plugin_is_taken(
    monkeypatch: pytest.MonkeyPatch, variables: list[tuple[str, str]], plugin: Plugin
) -> None:
    """MariaDB has neither variable, MySQL 8.0 both, MySQL 8.4 the policy only."""
    monkeypatch.setattr(accounts, "rows", lambda *_: variables)
    connection: Any = None
    assert accounts.password_plugin(connection) is plugin


def test_the_statements_of_a_user_of_iam() -> None:
    """As the Aurora User Guide has them; a token is a password in the clear, so TLS is required."""
    connection: Any = Quoting()
    proof = identified(connection, Plugin.IAM, "RDS")
    assert list(login_statements("'app'@'%'", proof, require_ssl=True)) == [
        "CREATE USER IF NOT EXISTS 'app'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'",
        "ALTER USER 'app'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' REQUIRE SSL ACCOUNT UNLOCK",
    ]


def test_the_statements_of_grants() -> None:
    """Everything is taken, then given; a name is no pattern, unless the server has none (partial_revokes)."""
    assert list(grant_statements("'app'@'%'", READ, wildcards=True)) == [
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'app'@'%'",
        "GRANT SELECT, SHOW VIEW ON `my\\_db`.* TO 'app'@'%'",
        f"GRANT {PRIVILEGES[Access.READ_WRITE]} ON `other`.* TO 'app'@'%'",
    ]
    assert "`my_db`" in list(grant_statements("'app'@'%'", READ, wildcards=False))[1]
    assert list(grant_statements("'app'@'%'", (), wildcards=True)) == [], "without grants those of the snapshot stay"


def test_an_older_attempt_that_waited_does_not_end_a_newer_one(mysql: Mysql) -> None:
    """Both waited until the lost one's session was gone; the newer one came first."""
    with (
        closing(mysql.session(MASTER, MASTER_PASSWORD)) as older,
        closing(mysql.session(MASTER, MASTER_PASSWORD)) as newer,
    ):
        session_lock._take(newer, session_lock.TURN)
        with pytest.raises(DatabaseUnreachable, match="a later attempt has the turn"):
            session_lock._take(older, session_lock.TURN)
        newer.ping(reconnect=False)
