"""Masking that cannot leak: every rule on both engines, the gate, and a masking that was cut off."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import pytest

from activities.databases.login_changes import CLOSED
from activities.databases.masking.key import MaskingKey
from activities.databases.masking.names import FIRST_NAMES, FULL_NAMES, LAST_NAMES
from errors import DatabaseUnreachable, StepFailed
from tests.rigs.databases import MASKING_KEY, Database, Postgres

KEY = MaskingKey.derive(MASKING_KEY)


def lines(database: Database, table: str, **rules: str) -> list[str]:
    return [f"{database.table(table)}.{column} = {rule}" for column, rule in rules.items()]


def kept_orders(database: Database) -> list[str]:
    return lines(database, "orders", id='"keep"', customer='"keep"')


CUSTOMERS = (
    "CREATE TABLE customers (id int PRIMARY KEY, email varchar(100) NOT NULL UNIQUE, name varchar(100), first varchar(40),"
    " last varchar(40), phone varchar(40), code varchar(20), born date, seen timestamp NULL, plan varchar(20), note text,"
    " city varchar(40), number bigint)"
)
RULES = {
    "id": '"keep"', "email": '"email"', "name": '"name"', "first": '{ rule = "name", part = "first" }',
    "last": '{ rule = "name", part = "last" }', "phone": '"phone"', "code": '"hash"', "born": '"date-shift"',
    "seen": '{ rule = "date-shift", days = 1 }', "plan": '{ rule = "constant", value = "it\'s 100%" }', "note": '"null"',
    "city": '"shuffle"', "number": '"hash"',
}  # fmt: skip


def make_customers(database: Database, count: int = 40) -> None:
    database.as_master(CUSTOMERS)
    rows = ", ".join(
        f"({n}, 'user{n}@corp.test', 'Person {n}', 'F{n}', 'L{n}', '+49 30 {n}', 'C{n}', '1980-01-{1 + n % 28:02}',"
        f" '2020-06-15 12:00:00', 'paid{n}', 'secret {n}', 'city{n}', {n})"
        for n in range(1, count + 1)
    )
    database.as_master(f"INSERT INTO customers VALUES {rows}")


def test_every_rule(database: Database) -> None:
    """One UPDATE sets all columns; hashes are HMAC-SHA-256 with the derived key, on both engines the same."""
    make_customers(database)
    database.as_master("INSERT INTO customers (id, email) VALUES (99, '')")
    outcome = database.set_up(masking=database.masking(*kept_orders(database), *lines(database, "customers", **RULES)))
    assert outcome.facts["masked"] == "1 table, 41 rows"
    assert "Masked: 1 table, 41 rows." in outcome.warnings
    *rows, empty = database.as_master("SELECT * FROM customers ORDER BY id")
    for n, row in enumerate(rows, 1):
        number, email, name, first, last, phone, code, born, seen, plan, note, _, hashed = row
        assert number == n
        assert email == f"u{KEY.hash(f'user{n}@corp.test').hex()[:20]}@example.com"
        assert name == FULL_NAMES[KEY.hash(f"Person {n}")[0]]
        assert (first, last) == (FIRST_NAMES[KEY.hash(f"F{n}")[0] % 64], LAST_NAMES[KEY.hash(f"L{n}")[0] % 64])
        assert phone == f"+999{int(KEY.hash(f'+49 30 {n}').hex()[:15], 16) % 10**9:09}"
        assert code == KEY.hash(f"C{n}").hex()[:20]
        assert 1 <= abs((born - date(1980, 1, 1 + n % 28)).days) <= 29
        assert abs((seen - datetime(2020, 6, 15, 12)).days) == 1  # noqa: DTZ001 - as the database has it
        assert (plan, note) == ("it's 100%", None)
        assert hashed == int(KEY.hash(str(n)).hex()[:15], 16)
    cities = [row[11] for row in rows]
    assert {*cities, empty[11]} == {*(f"city{n}" for n in range(1, 41)), None}
    assert cities != [f"city{n}" for n in range(1, 41)]
    assert empty[2:9] == (None,) * 7, "NULL stays NULL"


def test_an_expression_of_the_operator_and_a_truncated_table(database: Database) -> None:
    """The expression sees the row as it was; comments in it end with it."""
    database.as_master("CREATE TABLE notes (id int PRIMARY KEY, author varchar(40), note varchar(80))")
    database.as_master("INSERT INTO notes VALUES (1, 'Eve', 'abcdef')")
    expression = "\"concat(left(note, 3), ' by ', char_length(author)) -- short\""
    masking = database.masking(
        f"{database.table('orders')} = \"truncate\"",
        *lines(
            database, "notes", id='"keep"', author='{ rule = "constant", value = "" }',
            note=f'{{ rule = "sql", expression = {expression} }}',
        ),
    )  # fmt: skip
    assert database.set_up(masking=masking).facts["masked"] == "2 tables, 1 rows"
    assert database.as_master("SELECT * FROM notes") == [(1, "", "abc by 3")]
    assert database.orders() == []


def test_what_the_server_refuses_is_refused_before_the_first_table_is_masked(database: Database) -> None:
    """An unknown name in an expression of the operator; on PostgreSQL also a constant of another type."""
    database.as_master("CREATE TABLE parties (size int)")
    wrong = ['{ rule = "sql", expression = "no_such_column" }']
    if isinstance(database, Postgres):
        wrong.append('{ rule = "constant", value = "many" }')
    for rule in wrong:
        rules = (*lines(database, "orders", id='"keep"', customer='"null"'), *lines(database, "parties", size=rule))
        with pytest.raises(StepFailed, match=r"Masking failed.* to the masking of (public\.)?parties"):
            database.set_up(masking=database.masking(*rules))
        assert database.orders() == [("Ada",)]


def test_joins_hold_and_foreign_keys_stay(database: Database) -> None:
    """Also with ON UPDATE CASCADE, which would mask a row twice."""
    database.as_master("CREATE TABLE people (mail varchar(80) PRIMARY KEY)")
    database.as_master(
        "CREATE TABLE visits (id int PRIMARY KEY, mail varchar(80), CONSTRAINT of_person FOREIGN KEY (mail)"
        " REFERENCES people (mail) ON UPDATE CASCADE)"
    )
    database.as_master("CREATE TABLE logs (mail varchar(80))")
    for n in range(5):
        database.as_master(f"INSERT INTO people VALUES ('p{n}')")
        database.as_master(f"INSERT INTO visits VALUES ({n}, 'p{n}')")
        database.as_master(f"INSERT INTO logs VALUES ('p{n}')")
    masking = database.masking(
        *kept_orders(database), *lines(database, "people", mail='"hash"'), *lines(database, "logs", mail='"hash"'),
        *lines(database, "visits", id='"keep"', mail='"hash"'),
    )  # fmt: skip
    database.set_up(masking=masking)
    expected = [(n, KEY.hash(f"p{n}").hex()) for n in range(5)]
    joined = "SELECT id, visits.mail FROM visits JOIN people USING (mail) JOIN logs USING (mail) ORDER BY id"
    assert database.as_master(joined) == expected
    with pytest.raises(Exception, match=r"foreign key constraint"):
        database.as_master("INSERT INTO visits VALUES (9, 'nobody')")


def test_a_new_column_keeps_everyone_out_until_the_line_is_added(database: Database) -> None:
    """The message has the line; with it, the step succeeds."""
    name = database.unique("app")
    database.make_login(name, "of-production")
    user, rules = database.user(name, "of-staging"), kept_orders(database)
    database.as_master("ALTER TABLE orders ADD COLUMN contact_email varchar(80)")
    database.as_master("UPDATE orders SET contact_email = 'ada@corp.test'")
    for _ in range(2):
        with pytest.raises(StepFailed, match=r"Masking rules incomplete[^$]*1 entry is missing") as failure:
            database.set_up(user, masking=database.masking(*rules))
        assert CLOSED in str(failure.value)
        for password in ("of-production", "of-staging"):
            with pytest.raises(DatabaseUnreachable):
                database.session(name, password, database.login_database)
    [line] = re.findall(r"^    (.*contact_email.*)$", str(failure.value), re.MULTILINE)
    assert line == f'{database.name}.{database.table("orders")}.contact_email = "email"'
    database.set_up(user, masking=database.masking(*rules, line.removeprefix(f"{database.name}.")))
    [(masked,)] = database.as_user(name, "of-staging", "SELECT contact_email FROM orders")
    assert masked.endswith("@example.com")


def test_a_rule_that_does_not_fit_is_refused_before_anything_is_masked(database: Database) -> None:
    """The catalogues say type, length, NOT NULL and uniqueness; tests/unit/databases has every reason."""
    columns = {"number": "int", "short": "varchar(20)", "needed": "varchar(90) NOT NULL", "code": "varchar(90) UNIQUE"}
    declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    database.as_master(f"CREATE TABLE parties ({declared})")
    rules = lines(database, "parties", number='"email"', short='"email"', needed='"null"', code='"phone"')
    with pytest.raises(StepFailed, match=r"Masking rules incomplete") as failure:
        database.set_up(masking=database.masking(*lines(database, "orders", id='"keep"', customer='"null"'), *rules))
    for reason in ("masks text, and the column is int", "needs 33 characters", "is NOT NULL", "different values"):
        assert reason in str(failure.value)
    assert database.orders() == [("Ada",)]


def test_what_the_file_names_and_the_database_lacks_is_refused(database: Database) -> None:
    """A renamed table would have no rule under its new name."""
    missing = f'{database.table("order")} = "public"'
    with pytest.raises(StepFailed, match=r"the table does not exist; did you mean (public\.)?orders\?"):
        database.set_up(masking=database.masking(missing, *kept_orders(database)))


def test_a_table_that_an_sql_file_makes_needs_a_line_too(database: Database) -> None:
    """The gate after the files refuses it with the line that accepts it, and what came with the snapshot is no such table."""
    file = database.file("report.sql", "CREATE TABLE report (email varchar(80))")
    rules = kept_orders(database)
    with pytest.raises(StepFailed, match=r"report.* = \"from-file\""):
        database.set_up(masking=database.masking(*rules), sql_files=(file,))
    line = f'{database.table("report")} = "from-file"'
    outcome = database.set_up(masking=database.masking(*rules, line), sql_files=(file,))
    assert outcome.details == "Users configured"
    with pytest.raises(StepFailed, match=r"report.* is from-file, but it comes with the snapshot"):
        database.set_up(masking=database.masking(*rules, line))


def test_a_masking_that_was_cut_off_goes_on_where_it_ended(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ends in the middle of the second table: no hash of a hash, no table left out."""
    tables = ("first", "second", "third")
    for table in tables:
        database.as_master(f"CREATE TABLE {table} (mail varchar(80))")
        database.as_master(f"INSERT INTO {table} VALUES ('p')")
    masking = database.masking(
        *kept_orders(database), *(line for t in tables for line in lines(database, t, mail='"hash"'))
    )
    insert_mark, calls = database.masking_module.insert_mark, []

    def lose_the_connection(connection: Any, *arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            number = connection.info.backend_pid if isinstance(database, Postgres) else connection.thread_id()
            database.as_rdsadmin(database.end_session.format(number))
        insert_mark(connection, *arguments)

    monkeypatch.setattr(database.masking_module, "insert_mark", lose_the_connection)
    with pytest.raises(DatabaseUnreachable):
        database.set_up(masking=masking)
    assert database.set_up(masking=masking).facts["masked"] == "3 tables, 3 rows"
    assert len(calls) == 4
    for table in tables:
        assert database.as_master(f"SELECT mail FROM {table}") == [(KEY.hash("p").hex(),)]
    changed = database.masking(*kept_orders(database), *(f'{database.table(table)} = "truncate"' for table in tables))
    with pytest.raises(StepFailed, match=r"Masking rules changed"):
        database.set_up(masking=changed)
