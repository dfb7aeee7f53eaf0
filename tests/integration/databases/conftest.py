"""One server of each engine for all tests of setup-db-users; each test has its own database and logins on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.mariadb import HOW_TO_GET, MariadbHost, missing_programs
from devstack.postgres import PostgresHost
from tests.integration.activities.conftest import rig, shared
from tests.rigs.activities import ActivityRig
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Database, Mysql, Postgres

__all__ = ["rig", "shared"]


@pytest.fixture(scope="package")
def postgres_host() -> Iterator[PostgresHost]:
    with PostgresHost() as host:
        host.create("restored", MASTER, MASTER_PASSWORD, "orders")
        yield host


@pytest.fixture(scope="package")
def mariadb() -> Iterator[MariadbHost]:
    if missing := missing_programs():
        pytest.skip(f"{' and '.join(missing)} are not installed: {HOW_TO_GET}")
    with MariadbHost() as host:
        host.create("restored", MASTER, MASTER_PASSWORD, None)
        yield host


@pytest.fixture
def postgres(rig: ActivityRig, postgres_host: PostgresHost, tmp_path: Path) -> Iterator[Postgres]:
    database = Postgres(rig, tmp_path, postgres_host)
    yield database
    database.drop_databases()


@pytest.fixture
def mysql(rig: ActivityRig, mariadb: MariadbHost, tmp_path: Path) -> Iterator[Mysql]:
    database = Mysql(rig, tmp_path, mariadb)
    yield database
    database.drop_databases()


@pytest.fixture(params=["postgres", "mysql"])
def database(request: pytest.FixtureRequest) -> Database:
    """The restored database, once with each engine."""
    database: Database = request.getfixturevalue(request.param)
    return database
