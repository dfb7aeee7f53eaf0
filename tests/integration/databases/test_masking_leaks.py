"""What would leak old values beside the masked rows, or undo the masking: triggers, statistics, views, partitions, logs."""

from __future__ import annotations

from datetime import datetime

import pytest

from errors import StepFailed
from tests.integration.databases.test_masking import KEY, kept_orders, lines
from tests.rigs.databases import MASKING_KEY, MASTER, Mysql, Postgres


def test_nothing_of_the_old_rows_is_left_where_a_user_can_read_it(postgres: Postgres) -> None:
    """Triggers and rules do not copy old rows, statistics do not quote them, views are refreshed, policies hide none."""
    owner, body = postgres.unique("owner"), "BEGIN INSERT INTO public.copies VALUES (OLD.customer); RETURN NEW; END"
    postgres.make_login(owner, "p")
    for statement in (
        "CREATE TABLE copies (customer text)",
        f"CREATE FUNCTION copy_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS '{body}'",
        "CREATE TRIGGER copies AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION copy_row()",
        "ALTER TABLE orders ENABLE ALWAYS TRIGGER copies",
        "CREATE RULE also AS ON UPDATE TO orders DO ALSO INSERT INTO copies VALUES (OLD.customer)",
        "INSERT INTO orders SELECT n, 'Ada' FROM generate_series(2, 500) AS n",
        "CREATE TABLE sessions (token text)",
        "INSERT INTO sessions SELECT 'Ada' FROM generate_series(1, 500)",
        "ANALYZE orders, sessions",
        "CREATE MATERIALIZED VIEW totals AS SELECT customer, count(*) FROM orders GROUP BY 1",
        "CREATE MATERIALIZED VIEW again AS SELECT * FROM totals",
        "CREATE POLICY few ON orders USING (id < 10)",
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE orders FORCE ROW LEVEL SECURITY",
        f"GRANT CREATE ON SCHEMA public TO {owner}",
    ):
        postgres.as_master(statement)
    postgres.as_rdsadmin(f"ALTER TABLE orders OWNER TO {owner}; GRANT SELECT ON orders TO {MASTER}")
    masking = postgres.masking(
        *lines(postgres, "orders", id='"keep"', customer='"hash"'), *lines(postgres, "copies", customer='"keep"'),
        f"{postgres.table('sessions')} = \"truncate\"",
    )  # fmt: skip
    postgres.set_up(masking=masking)
    hashed = KEY.hash("Ada").hex()
    assert postgres.as_rdsadmin("SELECT DISTINCT customer FROM orders") == [(hashed,)]
    assert postgres.as_master("SELECT count(*) FROM copies") == [(0,)]
    assert postgres.as_master("SELECT * FROM again") == [(hashed, 9)], "its owner sees what the policy lets it see"
    quoted = (
        "SELECT tablename FROM pg_stats WHERE schemaname = 'public'"
        " AND concat(most_common_vals::text, histogram_bounds::text) LIKE '%Ada%'"
    )
    assert postgres.as_rdsadmin(quoted) == []
    states = "SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'copies' UNION ALL"
    states += " SELECT ev_enabled::text FROM pg_rewrite WHERE rulename = 'also' UNION ALL"
    states += " SELECT relforcerowsecurity::text FROM pg_class WHERE relname = 'orders'"
    assert postgres.as_rdsadmin(states) == [("A",), ("O",), ("true",)]


def test_partitions_are_masked_and_emptied_with_their_table(postgres: Postgres) -> None:
    """One name in the file for all partitions; a shuffle moves values across them."""
    for table in ("events", "visits"):
        postgres.as_master(f"CREATE TABLE {table} (day int, who text) PARTITION BY RANGE (day)")
        for number in (1, 2):
            bounds = f"FROM ({number * 10}) TO ({number * 10 + 10})"
            postgres.as_master(f"CREATE TABLE {table}_{number} PARTITION OF {table} FOR VALUES {bounds}")
        postgres.as_master(f"INSERT INTO {table} SELECT n, 'p' || n FROM generate_series(10, 29) AS n")
    masking = postgres.masking(
        *kept_orders(postgres), *lines(postgres, "events", day='"keep"', who='"shuffle"'),
        f"{postgres.table('visits')} = \"truncate\"",
    )  # fmt: skip
    assert postgres.set_up(masking=masking).facts["masked"] == "2 tables, 20 rows"
    people = [who for (who,) in postgres.as_master("SELECT who FROM events ORDER BY day")]
    assert sorted(people) == sorted(f"p{n}" for n in range(10, 30))
    assert people != [f"p{n}" for n in range(10, 30)]
    assert postgres.as_master("SELECT count(*) FROM visits") == [(0,)]


def test_the_key_is_in_no_statement_that_the_server_logs_and_in_no_failure(postgres: Postgres) -> None:
    """The server logs every statement with its parameters; a failure quotes no value either."""
    postgres.as_rdsadmin(f"ALTER DATABASE {postgres.name} SET log_statement = 'all'")
    postgres.as_master("CREATE TABLE parties (email text, size int)")
    postgres.as_master("INSERT INTO parties VALUES ('ada@corp.test', 1)")
    wrong = '{ rule = "sql", expression = "email::int" }'
    masking = postgres.masking(*kept_orders(postgres), *lines(postgres, "parties", email='"email"', size=wrong))
    with pytest.raises(
        StepFailed, match=r"22P02 \(invalid_text_representation\) to the masking of public\.parties"
    ) as failure:
        postgres.set_up(masking=masking)
    server = postgres.host._running("restored").directory.name
    log = (postgres.host._scratch.path / f"{server}.log").read_text()
    assert "COPY pg_temp" in log
    for secret in (MASKING_KEY, KEY.inner.hex(), KEY.outer.hex()):
        assert secret not in log + repr(failure.value)
    assert "ada@corp.test" not in str(failure.value)


def test_a_table_with_a_trigger_needs_consent(mysql: Mysql) -> None:
    """MySQL cannot disable a trigger, and it may copy the old row; ON UPDATE CURRENT_TIMESTAMP does not change the time."""
    mysql.as_master("CREATE TABLE copies (customer varchar(100))")
    mysql.as_master(
        "ALTER TABLE orders ADD COLUMN changed timestamp DEFAULT '2020-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP"
    )
    mysql.as_master(
        "CREATE TRIGGER copying BEFORE UPDATE ON orders FOR EACH ROW INSERT INTO copies VALUES (OLD.customer)"
    )
    rules = (
        *lines(mysql, "copies", customer='"keep"'),
        *lines(mysql, "orders", id='"keep"', changed='"keep"', customer='"hash"'),
    )
    table = f"{mysql.name}.orders"
    with pytest.raises(StepFailed, match=rf"trigger copying.*list {table} in masking\.fire_triggers"):
        mysql.set_up(masking=mysql.masking(*rules))
    mysql.set_up(masking=mysql.masking(*rules, fire_triggers=(table,)))
    assert mysql.as_master("SELECT customer, changed FROM orders") == [(KEY.hash("Ada").hex(), datetime(2020, 1, 1))]  # noqa: DTZ001
    assert mysql.as_master("SELECT customer FROM copies") == [("Ada",)]
