"""What only MySQL has, on MariaDB: accounts by host, wildcards in GRANT, statements that commit."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import pytest
from pymysql.err import OperationalError

from activities.databases.mysql import accounts
from activities.databases.mysql.errors import translated_error
from activities.databases.mysql.grants import escape_wildcards
from clients.mysql import MysqlConnector
from devstack.processes import free_port
from errors import DatabaseUnreachable, PipelineError, StepFailed
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Mysql


def test_every_account_of_a_users_name_is_the_user(mysql: Mysql) -> None:
    """MySQL prefers the most specific host, so another account of that name would keep the source's password."""
    name = mysql.unique("app")
    for host in ("127.0.0.1", "%"):
        mysql.host.as_rdsadmin("restored", "CREATE USER %s@%s IDENTIFIED BY 'of-production'", name, host)
    outcome = mysql.set_up(mysql.user(name, "p"))
    assert (outcome.created, outcome.altered) == ((), (name,))
    assert mysql.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]
    with pytest.raises(DatabaseUnreachable, match="Login refused"):
        mysql.session(name, "of-production")


def test_a_user_that_exists_for_another_host_only_needs_a_host_in_the_request(mysql: Mysql) -> None:
    """The existing host is kept; the account that the request names is made beside it, with the same password."""
    name = mysql.unique("app")
    mysql.as_rdsadmin(f"CREATE USER {name}@'10.%' IDENTIFIED BY 'of-production'")
    user = mysql.user(name, "p")
    with pytest.raises(
        StepFailed, match=r"Host not allowed: MySQL has \w+ only for 10\.%, and refused it from 127\.0\.0\.1"
    ):
        mysql.set_up(user)
    for host in ("127.%", "%"):
        outcome = mysql.set_up(user.model_copy(update={"host": host}))
        assert (outcome.created, outcome.altered) == ((), (name,))
        assert mysql.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]
    accounts_of_user = mysql.as_rdsadmin(
        f"SELECT Host, authentication_string = password('p') FROM mysql.user WHERE User = '{name}' ORDER BY 1"
    )
    assert accounts_of_user == [("%", 1), ("10.%", 1), ("127.%", 1)]


def test_a_new_user_has_the_host_of_the_request(mysql: Mysql) -> None:
    """And no other."""
    name = mysql.unique("app")
    assert mysql.set_up(mysql.user(name, "p").model_copy(update={"host": "127.0.0.1"})).created == (name,)
    assert mysql.as_rdsadmin(f"SELECT Host FROM mysql.user WHERE User = '{name}'") == [("127.0.0.1",)]


def test_a_database_name_in_a_grant_is_no_pattern(mysql: Mysql) -> None:
    """An underscore matches only itself: a grant on orders_1 gives no access to ordersX1."""
    similar = mysql.name.replace("_", "X")
    mysql.make_database(similar)
    user = mysql.user(mysql.unique("app"), "p")
    mysql.set_up(user)
    with pytest.raises(DatabaseUnreachable, match="Connection refused by the database"):
        mysql.session(user.name, "p", similar)


def test_a_read_only_user_loses_every_other_grant(mysql: Mysql) -> None:
    """Grants on *.*, on a table and WITH GRANT OPTION would all survive a REVOKE on the database."""
    name = mysql.unique("report")
    mysql.make_login(name, "of-production")
    for privileges in ("INSERT, UPDATE ON *.*", f"DELETE ON `{mysql.name}`.orders"):
        mysql.host.as_rdsadmin("restored", f"GRANT {privileges} TO '{name}'@'%' WITH GRANT OPTION")
    mysql.set_up(mysql.user(name, "p"))
    grants = [str(row[0]) for row in mysql.host.as_rdsadmin("restored", f"SHOW GRANTS FOR '{name}'@'%'")]
    assert [re.sub(r" IDENTIFIED.*", "", grant) for grant in grants] == [
        f"GRANT USAGE ON *.* TO `{name}`@`%`",
        f"GRANT SELECT, SHOW VIEW ON `{escape_wildcards(mysql.name)}`.* TO `{name}`@`%`",
    ]


def test_sessions_are_ended_with_rds_kill_if_the_server_has_it(mysql: Mysql) -> None:
    """RDS does not allow its master user to KILL."""
    mysql.host.as_rdsadmin("restored", "CREATE PROCEDURE mysql.rds_kill(IN session BIGINT) KILL session")
    try:
        name = mysql.unique("production")
        mysql.make_login(name, "of-production")
        with closing(mysql.session(name, "of-production", "information_schema")):
            mysql.set_up()
    finally:
        mysql.host.as_rdsadmin("restored", "DROP PROCEDURE mysql.rds_kill")
    assert "CALL mysql.rds_kill(" in mysql.host.log("restored")


def test_a_session_that_has_ended_by_itself_is_no_error(mysql: Mysql) -> None:
    """It may end between the list of sessions and the KILL."""
    with closing(mysql.session(MASTER, MASTER_PASSWORD)) as ended:
        [(session_id,)] = accounts.execute(ended, "SELECT CONNECTION_ID()")
    with closing(mysql.session(MASTER, MASTER_PASSWORD)) as connection:
        accounts.end_session(connection, session_id)


@pytest.mark.parametrize(
    ("number", "error", "reason"),
    [
        (1227, StepFailed, "Logins not locked: .*{login}@%.*revoke SYSTEM_USER.*list {login} in keep_logins"),
        (1396, StepFailed, "Logins not locked: .*{login}@%.*revoke SYSTEM_USER.*list {login} in keep_logins"),
        (1205, DatabaseUnreachable, "Database busy: MySQL answered 1205"),
    ],
)
def test_an_account_that_the_master_user_cannot_lock_is_named(
    mysql: Mysql, monkeypatch: pytest.MonkeyPatch, number: int, error: type[PipelineError], reason: str
) -> None:
    """MySQL refuses with 1227 or 1396 for an account with SYSTEM_USER, a privilege that MariaDB does not have."""
    login, execute = mysql.unique("production"), accounts.execute
    mysql.make_login(login, "of-production")

    def refuse_the_lock(connection: Any, statement: str, *values: str) -> Any:
        if f"'{login}'@'%' ACCOUNT LOCK" in statement:
            raise OperationalError(number, "as MySQL says it")
        return execute(connection, statement, *values)

    monkeypatch.setattr(accounts, "execute", refuse_the_lock)
    with pytest.raises(error, match=reason.format(login=login)):
        mysql.set_up()


def test_a_reader_is_transient(mysql: Mysql) -> None:
    """After a failover the endpoint leads to a reader until DNS has the new writer."""
    user = mysql.user(mysql.unique("app"), "p")
    mysql.host.as_rdsadmin("restored", "SET GLOBAL read_only = 1")
    try:
        with pytest.raises(DatabaseUnreachable, match="Database busy.*1290"):
            mysql.set_up(user)
    finally:
        mysql.host.as_rdsadmin("restored", "SET GLOBAL read_only = 0")
    mysql.set_up(user)


def test_an_option_that_prevents_the_statement_is_final() -> None:
    """It has the same number as a reader, but does not change by itself."""
    error = OperationalError(1290, "The MySQL server is running with the --secure-file-priv option so it cannot")
    assert isinstance(translated_error(error, "SQL file failed"), StepFailed)


def test_a_server_in_read_only_mode_is_transient() -> None:
    """MySQL 8's number for a storage that accepts no writes; MariaDB does not have it."""
    assert isinstance(translated_error(OperationalError(1836, "read-only mode"), "-"), DatabaseUnreachable)


@pytest.mark.parametrize("name", ["x" * 33, "app ", "app😀"])
def test_a_name_that_mysql_cannot_store_is_refused(mysql: Mysql, name: str) -> None:
    """Longer than 32 characters, a blank at the end, a character of four bytes: it could become another user's."""
    with pytest.raises(StepFailed, match="MySQL"):
        mysql.set_up(mysql.user(name, "p"))


def test_an_unreachable_database_is_a_transient_connection_timeout(mysql: Mysql) -> None:
    """A new endpoint needs a while until it can be reached."""
    endpoint = mysql.endpoint.model_copy(update={"port": free_port()})
    with pytest.raises(DatabaseUnreachable) as failure:
        mysql.set_up(endpoint=endpoint)
    assert failure.value.fault.short == "Connection timeout"
    assert not failure.value.non_retryable


def test_a_server_without_tls_is_refused_if_the_settings_require_tls(mysql: Mysql) -> None:
    """No password is sent over an unencrypted connection."""
    import certifi  # comes with boto3's own libraries

    mysql.mysql = MysqlConnector(tls=True, ca_file=certifi.where(), connect_seconds=5)  # type: ignore[arg-type]
    with pytest.raises(DatabaseUnreachable, match="SSL"):
        mysql.set_up(mysql.user(mysql.unique("app"), "p"))


def test_a_user_of_iam_is_refused_by_a_server_without_the_plugin(mysql: Mysql) -> None:
    """The step fails with what MariaDB answers, which names AWSAuthenticationPlugin."""
    with pytest.raises(StepFailed, match="Users not configured.*AWSAuthenticationPlugin"):
        mysql.set_up(mysql.user(mysql.unique("app"), None))


@pytest.mark.parametrize("ending", ["ROLLBACK", "CALL undo_file()"])
def test_a_file_that_rolls_back_is_refused_and_gets_no_mark(mysql: Mysql, ending: str) -> None:
    """Also in a procedure: what the file did is gone, and it would count as run."""
    mysql.as_master("CREATE PROCEDURE undo_file() ROLLBACK")
    file = mysql.file("mask.sql", f"UPDATE orders SET customer = 'x'; {ending};")
    with pytest.raises(
        StepFailed, match=r"SQL file ends its transaction: mask\.sql rolls back .* Remove ROLLBACK from it"
    ):
        mysql.set_up(sql_files=(file,))
    assert mysql.orders() == [("Ada",)]
    mysql.file("mask.sql", "UPDATE orders SET customer = 'x'")
    mysql.set_up(sql_files=(file,))
    assert mysql.orders() == [("x",)]


@pytest.mark.parametrize("ending", ["SET ROLE {role}", "LOCK TABLES orders READ", "USE information_schema"])
def test_a_file_that_leaves_its_session_changed_is_marked(mysql: Mysql, ending: str) -> None:
    """Another role may not write the mark, and locked tables keep it from being written."""
    role = mysql.unique("role")
    mysql.as_rdsadmin(f"CREATE ROLE {role}")
    mysql.as_rdsadmin(f"GRANT {role} TO {MASTER}@'%'")
    file = mysql.file("mask.sql", f"UPDATE orders SET id = id + 1; {ending.format(role=role)}")
    for _ in range(2):
        mysql.set_up(sql_files=(file,))
    assert mysql.as_master("SELECT id FROM orders") == [(2,)]
    # MariaDB keeps the rights of the user beside those of a role, so that only the statement shows it.
    assert ("SET ROLE NONE" in mysql.host.log("restored")) >= ("ROLE" in ending)


@pytest.mark.parametrize("text", ["DELIMITER //\nDO 1//", "DO 1;;\nDO 2;"])
def test_a_syntax_error_that_the_clients_delimiter_leaves_says_so(mysql: Mysql, text: str) -> None:
    """The preflight finds it too, unless the file has changed since."""
    with pytest.raises(StepFailed, match=r"1064 .*; the file has .*DELIMITER.* mysql client.* \(line 1\)"):
        mysql.set_up(sql_files=(mysql.file("mask.sql", text),))


@pytest.mark.parametrize("setting", ["tx_read_only = 1", "max_statement_time = 0.2"])
def test_settings_of_the_server_do_not_cut_off_a_file(mysql: Mysql, setting: str) -> None:
    """As a parameter group may have them for applications. Of MySQL only the names differ."""
    file = mysql.file("mask.sql", "UPDATE orders SET id = 2; SELECT sleep(0.5)")
    mysql.as_rdsadmin(f"SET GLOBAL {setting}")
    try:
        mysql.set_up(mysql.user(mysql.unique("app"), "p"), sql_files=(file,))
    finally:
        mysql.as_rdsadmin(f"SET GLOBAL {setting.split(maxsplit=1)[0]} = 0")
    assert mysql.as_master("SELECT id FROM orders") == [(2,)]
