"""Rows per minute of masking, beside UPDATEs written by hand on the same data: `make measure-masking`.

Each round masks a new copy of the same table in each way. "By hand, keyed" is SHA-256 of a key and the value, which needs no
extension; "by hand, md5" is the unkeyed statement that is found in most SQL files. On PostgreSQL
`pg_dump | pg_restore` of the table is measured too: what every tool takes at least that masks between the two.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from activities.databases.masking.key import MaskingKey
from activities.databases.masking.run import DatabaseMasking
from activities.databases.mysql.database import MysqlDatabase
from activities.databases.postgres.database import PostgresDatabase
from activities.databases.restored_database import RestoredDatabase
from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from devstack.mariadb import MariadbHost
from devstack.postgres import PostgresHost
from models.clusters import Endpoint
from models.masking import Masking

MASTER, PASSWORD, DATABASE = "boss", "a-password-of-the-benchmark", "orders"
KEY = MaskingKey.derive("the key of the benchmark, 32 characters and more")
PROGRAMS = Path("/usr/lib/postgresql/15/bin")
RULES = {
    "id": "keep",
    "email": "email",
    "name": "name",
    "phone": "phone",
    "born": "date-shift",
    "note": "null",
    "code": "hash",
}
COLUMNS = "id bigint PRIMARY KEY, email varchar(100), name varchar(100), phone varchar(40), born date, note text, code varchar(64)"


class Progress:
    """Nobody watches."""

    def set_masked(self, tables: int, rows: int, left: int) -> None: ...
    def add_empty_views(self, names: tuple[str, ...]) -> None: ...


class Measured(NamedTuple):
    """Seconds. A busy machine changes the second much, the first little."""

    processor: float
    elapsed: float


@dataclass(frozen=True)
class Engine:
    """One engine: its server, and the statements that differ."""

    database: RestoredDatabase
    connect: Callable[[], Any]
    table: str
    fill: str
    by_hand: dict[str, str]
    analyze: str
    pid: int | None
    """Of the server."""

    def processor_seconds(self) -> float:
        """That the server's processes have used, those that have ended too."""
        time.sleep(0.3)  # a backend whose connection was closed ends a moment later
        server = psutil.Process(self.pid)
        total = 0.0
        for child in server.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                total += sum(child.cpu_times()[:2])
        return total + sum(server.cpu_times()[:4])

    def execute(self, *statements: str) -> None:
        connection = self.connect()
        for statement in statements:
            connection.cursor().execute(statement)
        connection.close()

    def make_table(self, name: str, rows: int) -> None:
        self.execute(
            f"CREATE TABLE {name} ({COLUMNS})", self.fill.format(table=name, rows=rows),
            f"CREATE INDEX {name}_email ON {name} (email)", f"{self.analyze} {name}",
        )  # fmt: skip

    def mask(self, directory: Path, round_: int) -> None:
        """As setup-db-users does: the gate, the table, its mark, statistics."""
        lines = [f'{DATABASE}."{self.table}".{column} = "{rule}"' for column, rule in RULES.items()]
        (directory / "masking.toml").write_text("\n".join(lines))
        masking = Masking(file="masking.toml", key_secret_id="key")
        rules = DatabaseMasking.read(directory, masking, lambda _: KEY)
        with self.database.session_lock(f"cluster-{round_}", ()) as session:
            rules.mask(self.database, session, Progress())


HASH = "sha256(convert_to('the key of the benchmark' || {}, 'UTF8'))"
POSTGRES_BY_HAND = {
    "by hand, keyed": (
        f"UPDATE customers SET email = 'u' || left(encode({HASH.format('email')}, 'hex'), 20) || '@example.com',"
        f" name = 'Person ' || left(encode({HASH.format('name')}, 'hex'), 8),"
        f" phone = '+999' || lpad(((('x' || left(encode({HASH.format('phone')}, 'hex'), 15))::bit(60)::bigint)"
        " % 1000000000)::text, 9, '0'),"
        f" born = born + (get_byte({HASH.format('born::text')}, 0) % 30), note = NULL,"
        f" code = encode({HASH.format('code')}, 'hex')"
    ),
    "by hand, md5": (
        "UPDATE customers SET email = 'u' || left(md5(email || 'salt'), 20) || '@example.com',"
        " name = 'Person ' || left(md5(name || 'salt'), 8), phone = '+999' || left(md5(phone || 'salt'), 9),"
        " born = born + (id % 30)::int, note = NULL, code = md5(code || 'salt')"
    ),
}
MYSQL_HASH = "SHA2(CONCAT('the key of the benchmark', {}), 256)"
MYSQL_BY_HAND = {
    "by hand, keyed": (
        f"UPDATE customers SET email = CONCAT('u', LEFT({MYSQL_HASH.format('email')}, 20), '@example.com'),"
        f" name = CONCAT('Person ', LEFT({MYSQL_HASH.format('name')}, 8)),"
        f" phone = CONCAT('+999', LPAD(CAST(CONV(LEFT({MYSQL_HASH.format('phone')}, 15), 16, 10) AS SIGNED) % 1000000000,"
        " 9, '0')),"
        f" born = DATE_ADD(born, INTERVAL CAST(CONV(LEFT({MYSQL_HASH.format('CAST(born AS CHAR)')}, 2), 16, 10) AS SIGNED)"
        " % 30 DAY), note = NULL,"
        f" code = {MYSQL_HASH.format('code')}"
    ),
    "by hand, md5": (
        "UPDATE customers SET email = CONCAT('u', LEFT(MD5(CONCAT(email, 'salt')), 20), '@example.com'),"
        " name = CONCAT('Person ', LEFT(MD5(CONCAT(name, 'salt')), 8)),"
        " phone = CONCAT('+999', LEFT(MD5(CONCAT(phone, 'salt')), 9)), born = DATE_ADD(born, INTERVAL id % 30 DAY),"
        " note = NULL, code = MD5(CONCAT(code, 'salt'))"
    ),
}
VALUES = "concat('user', n, '@corp.test'), concat('Person ', n), concat('+49 30 ', n)"
POSTGRES_FILL = (
    f"INSERT INTO {{table}} SELECT n, {VALUES}, date '1950-01-01' + n % 20000, repeat('note ', 20), 'C' || n"
    " FROM generate_series(1, {rows}) AS n"
)
MYSQL_FILL = (
    f"INSERT INTO {{table}} SELECT n, {VALUES}, DATE_ADD('1950-01-01', INTERVAL n % 20000 DAY), REPEAT('note ', 20),"
    " CONCAT('C', n) FROM (WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})"
    " SELECT n FROM numbers) AS numbers"
)


@contextmanager
def postgres() -> Iterator[Engine]:
    """With memory enough for the table, as a cluster has it; PostgreSQL 15 where its own pg_dump is installed."""
    if PROGRAMS.is_dir():
        os.environ["PG_BIN"] = str(PROGRAMS)
    with PostgresHost({"shared_buffers": "512MB", "max_wal_size": "4GB"}) as host:
        port = host.create("restored", MASTER, PASSWORD, DATABASE).port
        connector, endpoint = PostgresConnector("disable", None, 5), _endpoint("aurora-postgresql", port)

        def connect() -> Any:
            return connector.connect(endpoint, DATABASE, MASTER, PASSWORD, statement_timeout=False)

        database = PostgresDatabase(connector, endpoint, PASSWORD)
        yield Engine(
            database,
            connect,
            "public.customers",
            POSTGRES_FILL,
            POSTGRES_BY_HAND,
            "ANALYZE",
            host._running("restored").server.pid,
        )


@contextmanager
def mysql() -> Iterator[Engine]:
    """MariaDB, in the place of Aurora MySQL."""
    with MariadbHost() as host:
        port = host.create("restored", MASTER, PASSWORD, DATABASE).port
        connector, endpoint = (
            MysqlConnector(tls=False, ca_file=None, connect_seconds=5),
            _endpoint("aurora-mysql", port),
        )

        def connect() -> Any:
            connection = connector.connect(endpoint, DATABASE, MASTER, PASSWORD, statement_timeout=False)
            connection.cursor().execute("SET SESSION max_recursive_iterations = 100000000")
            return connection

        database = MysqlDatabase(connector, endpoint, PASSWORD)
        yield Engine(
            database,
            connect,
            "customers",
            MYSQL_FILL,
            MYSQL_BY_HAND,
            "ANALYZE TABLE",
            host._running("restored").server.pid,
        )


def _endpoint(engine: str, port: int) -> Endpoint:
    return Endpoint(
        host="127.0.0.1", port=port, engine=engine, master_username=MASTER, master_user_secret_id="-",
        database_name=DATABASE,
    )  # fmt: skip


def measure(engine: Engine, rows: int, rounds: int) -> dict[str, Measured]:
    """The median round, by the way of masking."""
    measured: dict[str, list[Measured]] = {}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        for round_ in range(rounds):
            ways: dict[str, Callable[[], None]] = {
                name: (lambda statement=statement: engine.execute(statement))  # type: ignore[misc]
                for name, statement in engine.by_hand.items()
            }
            ways["masking"] = lambda round_=round_: engine.mask(directory, round_)  # type: ignore[misc]
            if isinstance(engine.database, PostgresDatabase) and PROGRAMS.is_dir():
                ways["pg_dump | pg_restore"] = lambda: _dump_and_restore(engine, directory)
            for name, way in ways.items():
                engine.make_table("customers", rows)
                processor, start = engine.processor_seconds(), time.perf_counter()
                way()
                elapsed = time.perf_counter() - start
                used = engine.processor_seconds() - processor
                measured.setdefault(name, []).append(Measured(used, elapsed))
                engine.execute("DROP TABLE customers")
    return {name: Measured(*map(statistics.median, zip(*each, strict=True))) for name, each in measured.items()}


def _dump_and_restore(engine: Engine, directory: Path) -> None:
    connection = engine.connect()
    login = ["-h", "127.0.0.1", "-p", str(connection.info.port), "-U", MASTER, "-d", DATABASE]
    connection.close()
    environment = {"PGPASSWORD": PASSWORD}
    file = directory / "dump"
    dump = [str(PROGRAMS / "pg_dump"), *login, "-Fc", "-Z1", "-t", "customers", "-f", str(file)]
    subprocess.run(dump, env=environment, check=True)
    subprocess.run(
        [str(PROGRAMS / "pg_restore"), *login, "--clean", "--no-owner", str(file)], env=environment, check=True
    )


def main() -> None:
    """Print a table for each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    servers = {"PostgreSQL": postgres, "MariaDB": mysql}
    parser.add_argument("--engine", choices=servers, help="default: both")
    arguments = parser.parse_args()
    for name, server in servers.items():
        if arguments.engine not in (None, name):
            continue
        with server() as engine:
            measured = measure(engine, arguments.rows, arguments.rounds)
            print(f"\n{name}, {arguments.rows:,} rows, median of {arguments.rounds}; seconds of the server's processes")
            for way, each in measured.items():
                ratio = measured["masking"].processor / each.processor
                rate = arguments.rows / each.elapsed * 60
                print(f"  {way:22} {each.processor:7.2f} s  masking/this {ratio:5.2f}  {rate:12,.0f} rows a minute")


if __name__ == "__main__":
    main()
