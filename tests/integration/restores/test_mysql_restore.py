"""A whole restore of Aurora MySQL: data, users, masking and checks, on MariaDB, which speaks most of MySQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from audit.plugin import AuroraRestorePlugin
from devstack.aws import Emulator, NoDatabases
from devstack.demo_environment import (
    ACCOUNT,
    REPLACED_BY,
    SOURCE_REGION,
    SUBNET_GROUP,
    TARGET_REGION,
    USERS,
    DemoEnvironment,
    environment,
)
from devstack.mariadb import HOW_TO_GET, MariadbHost, missing_programs
from models.identifiers import cluster_arn
from models.request import RestoreRequest
from models.steps import STEPS, Replacement, Status
from tests.rigs.durations import REFERENCE, SECONDS
from tests.rigs.emulator import environment_variables
from tests.rigs.requests import request
from tests.rigs.restores import RestoreRig, run_worker, time_skipping_client, worker_parts

SOURCE, TARGET = "shop", "shop-staging"
MYSQL = "8.0.mysql_aurora.3.08.2"
MASTER_PASSWORD = "of-production"


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    if missing := missing_programs():
        pytest.skip(f"{' and '.join(missing)} are not on this machine: {HOW_TO_GET}")
    with (
        MariadbHost() as mariadb,
        Emulator(NoDatabases(), mysql=mariadb, durations=REFERENCE) as emulator,
        environment_variables(environment(emulator.endpoint_url)),
    ):
        demo = DemoEnvironment(emulator)
        demo.build(filled=False)
        mysql = {"engine": "aurora-mysql", "EngineVersion": MYSQL}
        source, target = demo.client("rds", SOURCE_REGION), demo.client("rds")
        demo.make_cluster(source, SOURCE, "production", MASTER_PASSWORD, **mysql)
        tags = [{"Key": REPLACED_BY, "Value": cluster_arn(SOURCE_REGION, ACCOUNT, SOURCE)}]
        demo.make_cluster(target, TARGET, SUBNET_GROUP, "of-staging", KmsKeyId="alias/staging", Tags=tags, **mysql)
        yield demo


@pytest.fixture
async def rig(demo: DemoEnvironment, tmp_path: Path) -> AsyncIterator[RestoreRig]:
    with environment_variables({"AURORA_RESTORE_SQL_DIRECTORY": str(tmp_path)}):
        parts = worker_parts(demo, "mysql")
    plugin = AuroraRestorePlugin()
    async with time_skipping_client(plugin, real_databases=True) as client, run_worker(client, demo, parts) as rig:
        yield rig


def session(demo: DemoEnvironment, region: str, cluster: str, user: str, password: str) -> Any:
    """A connection to a cluster."""
    described = demo.client("rds", region).describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"][0]
    return pymysql.connect(
        host="127.0.0.1",
        port=described["Port"],
        user=user,
        password=password,
        database="orders",
        autocommit=True,
    )


def execute_in_production(demo: DemoEnvironment, *statements: str) -> None:
    with session(demo, SOURCE_REGION, SOURCE, "orders_admin", MASTER_PASSWORD) as connection:
        for statement in statements:
            connection.cursor().execute(statement)


def select_in_target(demo: DemoEnvironment, user: str, query: str) -> list[tuple[Any, ...]]:
    """The rows that one of the request's users reads in the restored target."""
    secret = demo.client("secretsmanager").get_secret_value(SecretId=USERS[user])
    password = json.loads(secret["SecretString"])["password"]
    with session(demo, TARGET_REGION, TARGET, user, password) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


RULES = """\
orders.customers.id = "keep"
orders.customers.mail = "email"
orders.customers.phone = "hash"
"""


def masked_request(quarantine: str, **target: Any) -> RestoreRequest:
    """A request that masks the customers by rules and by a file, in quarantine, checks that, and keeps what is masked."""
    masked = {
        "database": "orders",
        "query": "SELECT count(*) > 1 FROM customers WHERE mail LIKE 'user%'",
        "expected": [[1]],
    }
    return request(
        source={"cluster": SOURCE},
        target={"cluster": TARGET, "quarantine": {"vpc_security_group_ids": [quarantine]}, **target},
        masking={"file": "masking.toml", "key_secret_id": "staging/masking"},
        archive={"keep": 1, "masked": True},
        sql_files=[{"file": "mask.sql", "database": "orders"}],
        checks=[masked],
    )


async def test_a_restore_of_aurora_mysql(rig: RestoreRig, tmp_path: Path) -> None:
    """The data arrives masked, the request's users can log in, production's cannot, and production is unchanged.

    The target was in quarantine meanwhile, and its masked data is all that is kept of the snapshot.
    """
    demo = rig.demo
    execute_in_production(
        demo,
        "CREATE TABLE customers (id int PRIMARY KEY, mail varchar(100), phone varchar(100))",
        "INSERT INTO customers VALUES (1, 'ada@example.com', '+49 30 1'), (2, 'grace@example.com', '+49 30 2')",
        "CREATE USER shopkeeper@'%' IDENTIFIED BY 'of-the-shop'",
        "GRANT SELECT ON orders.* TO shopkeeper@'%'",
    )
    (tmp_path / "mask.sql").write_text("UPDATE customers SET mail = concat('user', id, '@example.invalid');")
    (tmp_path / "masking.toml").write_text(RULES)
    key = json.dumps({"key": "a text of at least thirty-two characters"})
    demo.client("secretsmanager").create_secret(Name="staging/masking", SecretString=key)
    quarantine = demo.make_security_group("quarantine", "127.0.0.1/32", outbound=False)
    demo.take_automated_snapshot(SOURCE)
    execute_in_production(demo, "INSERT INTO customers VALUES (3, 'after@the.snapshot', '+49 30 3')")
    state = await (await rig.start(masked_request(quarantine))).result()
    assert [step.status for step in state.steps] == [Status.SUCCESS] * len(STEPS[Replacement.DELETE_FIRST])
    assert select_in_target(demo, "orders_report", "SELECT id, mail FROM customers ORDER BY id") == [
        (1, "user1@example.invalid"),
        (2, "user2@example.invalid"),
    ]
    phones = select_in_target(demo, "orders_report", "SELECT phone FROM customers")
    assert not [phone for (phone,) in phones if "+49" in phone]
    kept = demo.client("rds").describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
    assert [snapshot["DBClusterIdentifier"] for snapshot in kept] == [TARGET], "no copy of production's data"
    with session(demo, SOURCE_REGION, SOURCE, "shopkeeper", "of-the-shop"):
        pass
    with pytest.raises(pymysql.err.OperationalError, match="Access denied|is locked"):
        session(demo, TARGET_REGION, TARGET, "shopkeeper", "of-the-shop")
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        session(demo, TARGET_REGION, TARGET, "orders_admin", MASTER_PASSWORD)
    assert ("setup-db-users", "SUCCESS", "Users configured") in rig.trail()
    assert "quarantine left" in next(details for step, _, details in rig.trail() if step == "archive-snapshot")

    # The next restore swaps names: the worker and the users get in under the target's name, with a certificate of it.
    demo.take_automated_snapshot(SOURCE)
    demo.emulator.durations = SECONDS  # a swap polls so often that a timer of a second each would take minutes
    swapped = masked_request(quarantine, replacement="swap", swap={"restart": True})
    state = await (await rig.start(swapped)).result()
    assert [step.step for step in state.steps] == list(STEPS[Replacement.SWAP])
    [cluster] = [
        each
        for each in demo.client("rds").describe_db_clusters()["DBClusters"]
        if each["DBClusterIdentifier"].startswith(TARGET)
    ]
    assert (cluster["DBClusterIdentifier"], cluster["DbClusterResourceId"]) == (TARGET, state.cluster_resource_id)
    assert select_in_target(demo, "orders_report", "SELECT mail FROM customers WHERE id = 3") == [
        ("user3@example.invalid",)
    ]
