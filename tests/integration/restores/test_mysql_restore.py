"""Aurora MySQL through a whole night: data, users, masking and checks, on MariaDB, which speaks most of MySQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from audit.plugin import AuroraRestorePlugin
from audit.report import report_rows
from devstack.aws import Emulator, NoDatabases
from devstack.demo_environment import SOURCE_REGION, SUBNET_GROUP, TARGET_REGION, USERS, DemoEnvironment, environment
from devstack.mariadb import HOW_TO_GET, MariadbHost, missing_programs
from models.request import RestoreRequest
from tests.integration.restores.conftest import DURATIONS
from tests.rigs.restores import Bench, bench, environment_variables, parts, request_json, skipped_time

SOURCE, TARGET = "shop", "shop-staging"
MYSQL = "8.0.mysql_aurora.3.08.2"
MASTER_PASSWORD = "of-production"
STEPS = 9


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    if missing := missing_programs():
        pytest.skip(f"{' and '.join(missing)} are not on this machine: {HOW_TO_GET}")
    with (
        MariadbHost() as mariadb,
        Emulator(NoDatabases(), mysql=mariadb, durations=DURATIONS) as emulator,
        environment_variables(environment(emulator.endpoint_url)),
    ):
        demo = DemoEnvironment(emulator)
        demo.build(filled=False)
        of_mysql = {"engine": "aurora-mysql", "EngineVersion": MYSQL}
        source, target = demo.client("rds", SOURCE_REGION), demo.client("rds")
        demo.make_cluster(source, SOURCE, "production", MASTER_PASSWORD, **of_mysql)
        opt_in = f"arn:aws:rds:{SOURCE_REGION}:111122223333:cluster:{SOURCE}"
        tags = [{"Key": "aurora-restore:replaced-by", "Value": opt_in}]
        demo.make_cluster(target, TARGET, SUBNET_GROUP, "of-staging", KmsKeyId="alias/staging", Tags=tags, **of_mysql)
        yield demo


@pytest.fixture
async def on(demo: DemoEnvironment, tmp_path: Path) -> AsyncIterator[Bench]:
    with environment_variables({"AURORA_RESTORE_SQL_DIRECTORY": str(tmp_path)}):
        made = parts(demo, "mysql")
    async with skipped_time(AuroraRestorePlugin(), real_databases=True) as client, bench(client, demo, made) as built:
        yield built


def session(demo: DemoEnvironment, region: str, cluster: str, user: str, password: str) -> Any:
    found = demo.client("rds", region).describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"][0]
    return pymysql.connect(
        host=found["Endpoint"], port=found["Port"], user=user, password=password, database="orders", autocommit=True
    )


def in_production(demo: DemoEnvironment, *statements: str) -> None:
    with session(demo, SOURCE_REGION, SOURCE, "orders_admin", MASTER_PASSWORD) as connection:
        for statement in statements:
            connection.cursor().execute(statement)


def read(demo: DemoEnvironment, user: str, query: str) -> list[tuple[Any, ...]]:
    secret = demo.client("secretsmanager").get_secret_value(SecretId=USERS[user])
    password = json.loads(secret["SecretString"])["password"]
    with session(demo, TARGET_REGION, TARGET, user, password) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def asked() -> RestoreRequest:
    plain = request_json(
        sql_files=[{"file": "mask.sql", "database": "orders"}],
        checks=[
            {"database": "orders", "query": "SELECT count(*) FROM customers WHERE mail LIKE 'user%'", "expected": [[2]]}
        ],
    )
    plain["source"]["cluster"], plain["target"]["cluster"] = SOURCE, TARGET
    return RestoreRequest.model_validate_json(json.dumps(plain))


async def test_a_night_of_aurora_mysql(on: Bench, tmp_path: Path) -> None:
    """The data arrives masked, the wanted users can log in to it, production's cannot, and production keeps what it has."""
    demo = on.demo
    in_production(
        demo,
        "CREATE TABLE customers (id int PRIMARY KEY, mail varchar(100))",
        "INSERT INTO customers VALUES (1, 'ada@example.com'), (2, 'grace@example.com')",
        "CREATE USER shopkeeper@'%' IDENTIFIED BY 'of-the-shop'",
        "GRANT SELECT ON orders.* TO shopkeeper@'%'",
    )
    (tmp_path / "mask.sql").write_text("UPDATE customers SET mail = concat('user', id, '@example.invalid');")
    demo.take_automated_snapshot(SOURCE)
    in_production(demo, "INSERT INTO customers VALUES (3, 'after@the.snapshot')")
    state = await (await on.start(asked())).result()
    assert [step.status for step in state.steps] == ["SUCCESS"] * STEPS
    assert read(demo, "orders_report", "SELECT * FROM customers ORDER BY id") == [
        (1, "user1@example.invalid"),
        (2, "user2@example.invalid"),
    ]
    with session(demo, SOURCE_REGION, SOURCE, "shopkeeper", "of-the-shop"):
        pass
    with pytest.raises(pymysql.err.OperationalError, match="Access denied|is locked"):
        session(demo, TARGET_REGION, TARGET, "shopkeeper", "of-the-shop")
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        session(demo, TARGET_REGION, TARGET, "orders_admin", MASTER_PASSWORD)
    assert [row.details for row in report_rows(on.table.list_rows("op-001")) if row.step == "setup-db-users"] == [
        "Users configured"
    ]
