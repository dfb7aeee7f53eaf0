"""The scanner of SQL files finds what would fail at setup-db-users, and nothing in strings, quoted names or comments."""

from __future__ import annotations

import time

import pytest

from activities.databases.sql_traps import find_traps

POSTGRES, MYSQL = "aurora-postgresql", "aurora-mysql"
PROCEDURE = (
    "CREATE DEFINER=`a`@`%` PROCEDURE p() BEGIN IF 1 THEN SELECT 1; END IF; CASE 1 WHEN 1 THEN DO 1; END CASE;\n"
    "WHILE 0 DO DO 1; END WHILE; ROLLBACK; END;\nROLLBACK;"
)


def traps(engine: str, text: str) -> list[tuple[int, str]]:
    """The lines of the traps, each with the first word of what it is."""
    return [(trap.line, trap.what.split()[0].strip(",")) for trap in find_traps(engine, text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1;\n\\set ON_ERROR_STOP on\nSELECT 2;", [(2, "a")]),
        ("BEGIN;\nUPDATE t SET a = 1;\nCOMMIT;", [(3, "COMMIT")]),
        ("SELECT 1;\n  commit and chain", [(2, "COMMIT")]),
        ("SELECT 1;\nEND;\nSELECT 2;\nABORT;", [(2, "END"), (4, "ABORT")]),
        ("ROLLBACK;", [(1, "ROLLBACK")]),
        ("SELECT 1; /* why */ PREPARE\nTRANSACTION 'x';", [(1, "PREPARE")]),
        ("COPY public.t (a, b) FROM stdin;\n1\tit's\n\\.\nCOMMIT;", [(1, "COPY")]),
        ("DELIMITER //\nCREATE PROCEDURE p() BEGIN COMMIT; END//", [(1, "DELIMITER")]),
        ("SELECT E'\\'';\nCOMMIT;", [(2, "COMMIT")]),
        ("SELECT '\\';\nCOMMIT;", [(2, "COMMIT")]),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;\nCOMMIT;", [(2, "COMMIT")]),
    ],
)
def test_a_trap_of_postgresql_is_found_in_its_line(text: str, expected: list[tuple[int, str]]) -> None:
    """Commands of psql and mysql, the ends of the transaction, data that only a client sends."""
    assert traps(POSTGRES, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SAVEPOINT a; ROLLBACK TO SAVEPOINT a; ROLLBACK WORK TO a; RELEASE a;",
        "BEGIN; UPDATE t SET a = 1;",
        "SELECT '\\set', 'it''s \\x', E'\\'\\\\x', \"a\\\"\"b\", $$ COMMIT; \\set $$, $x$ $$; END; \\ $x$, U&'d\\0061t';",
        "-- \\set ON_ERROR_STOP\n/* COMMIT; /* nested */ \\q COMMIT; */ SELECT 1;",
        "DO $body$ BEGIN COMMIT; END $body$;",
        "CREATE OR REPLACE FUNCTION f(a int) RETURNS int BEGIN ATOMIC SELECT CASE WHEN a > 0 THEN 1 END; SELECT 2; END;",
        "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; INSERT INTO b VALUES (1));",
        "SELECT CASE WHEN true THEN 1 END;",
        "UPDATE csv SET delimiter = ';', \"commit\" = 1;",
        "PREPARE plan AS SELECT 1; COPY t FROM '/tmp/a'; COPY (SELECT 1) TO '/tmp/b';",
        "SELECT price$1 FROM t; SELECT $1;",
        "SELECT 'never closed; COMMIT; \\set",
        "SELECT $$ never closed; COMMIT;",
        "/* never closed; COMMIT;",
    ],
)
def test_postgresql_accepts_the_file(text: str) -> None:
    """Nothing of it ends the step's transaction; what is unclosed is the server's to refuse."""
    assert traps(POSTGRES, text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("USE shop;\ndelimiter $$\nCREATE TRIGGER …", [(2, "DELIMITER")]),
        ("SELECT 1\\G\nSELECT 2;\n\\. other.sql", [(1, "a"), (3, "a")]),
        ("SELECT 'it\\'s', \"a\\\"b\", `a``\\b`, '\\set'; # \\set\n-- \\set\n/* \\set */ SELECT \\N;", []),
        ("START TRANSACTION; UPDATE t SET a = 1; COMMIT;", []),
        ("SELECT 5--1, delimiter FROM csv;", []),
        ("/* one /* is closed here */ \\set", [(1, "a")]),
        ("CREATE PROCEDURE p() BEGIN SELECT 1; COMMIT; END;", []),
        ("UPDATE t SET a = 1;\nROLLBACK", [(2, "ROLLBACK")]),
        ("SAVEPOINT a; ROLLBACK TO a; ROLLBACK WORK TO SAVEPOINT a;", []),
        (
            PROCEDURE,
            [(3, "ROLLBACK")],
        ),
        ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DO 1; ROLLBACK; END;", []),
        ("DO 1;;\nDO 2;;\n", [(1, "an")]),
        ("DO 1;\n; -- why\n/* so */ ;\nDO 2;", [(2, "an")]),
        ("/*!40101 SET NAMES utf8 */;\n/*!40014 SET a=1 */;\n(SELECT 1);\nDO 1;\n;;", []),
    ],
)
def test_on_mysql_what_the_server_refuses_or_undoes_is_a_trap(text: str, expected: list[tuple[int, str]]) -> None:
    """The step runs a file that commits; only the client knows DELIMITER and what begins with a backslash.

    A server refuses an empty statement before another one, and ROLLBACK undoes the file.
    """
    assert traps(MYSQL, text) == expected


@pytest.mark.parametrize(
    "text", ["'" * 500_001, "INSERT INTO t VALUES (1, 'a''b');\n" * 15_000, "/*" * 250_000, "$a$ " * 125_001]
)
def test_a_large_file_is_scanned_in_seconds(text: str) -> None:
    """A file may have 10 MB, of which this is a twentieth; the scanner never goes back."""
    began = time.monotonic()
    assert traps(POSTGRES, text) == []
    assert time.monotonic() - began < 10
