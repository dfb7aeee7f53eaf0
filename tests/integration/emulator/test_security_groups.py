"""The emulator enforces security groups at a cluster's endpoint, for who comes in and for what its server reaches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from devstack.aws import Emulator
from devstack.database_servers import RDSADMIN
from devstack.demo_environment import (
    DATABASE,
    MASTER,
    SOURCE_REGION,
    SUBNET_GROUP,
    DemoEnvironment,
    environment,
)
from devstack.postgres import PostgresHost
from tests.rigs.durations import AT_ONCE
from tests.rigs.emulator import environment_variables
from tests.rigs.login_poll import ELSEWHERE, connect, connections_from

PASSWORD = "of-production"
EVERYWHERE, WORKER_ONLY = "0.0.0.0/0", "127.0.0.1/32"


@pytest.fixture(scope="module")
def host() -> Iterator[PostgresHost]:
    with PostgresHost() as host:
        yield host


@pytest.fixture(scope="module")
def demo(host: PostgresHost) -> Iterator[DemoEnvironment]:
    """Production, whose groups let only this machine's own address in, and a subnet group for the others."""
    with (
        Emulator(host, durations=AT_ONCE) as emulator,
        environment_variables(environment(emulator.endpoint_url)),
    ):
        demo = DemoEnvironment(emulator)
        demo.make_subnet_group(SOURCE_REGION, "production")
        demo.make_subnet_group()
        group = demo.make_security_group("production", WORKER_ONLY, region=SOURCE_REGION)
        demo.make_cluster(
            demo.client("rds", SOURCE_REGION), "production", "production", PASSWORD, VpcSecurityGroupIds=[group]
        )
        yield demo


def make_cluster(demo: DemoEnvironment, name: str, group: str) -> tuple[int, str]:
    """The port and the resource id of a new cluster in the target's region."""
    demo.make_cluster(demo.client("rds"), name, SUBNET_GROUP, PASSWORD, VpcSecurityGroupIds=[group])
    cluster = demo.client("rds").describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
    return cluster["Port"], cluster["DbClusterResourceId"]


def can_log_in(port: int) -> bool:
    try:
        with connect(port, MASTER, PASSWORD, DATABASE):
            return True
    except psycopg.OperationalError as error:
        assert "timeout" in str(error)
        return False


def test_a_group_lets_in_only_the_addresses_of_its_rules(demo: DemoEnvironment) -> None:
    """Until the cluster gets another group; the endpoint stays the same."""
    quarantine = demo.make_security_group("only-the-worker", WORKER_ONLY, outbound=False)
    everyone = demo.make_security_group("everyone", EVERYWHERE)
    port, _ = make_cluster(demo, "copy", quarantine)
    with connections_from(ELSEWHERE, port) as elsewhere:
        assert can_log_in(port)
        assert not can_log_in(elsewhere)
        demo.client("rds").modify_db_cluster(
            DBClusterIdentifier="copy", VpcSecurityGroupIds=[everyone], ApplyImmediately=True
        )
        demo.client("rds").describe_db_clusters()
        assert can_log_in(elsewhere)


@pytest.mark.parametrize(("outbound", "reaches"), [(True, True), (False, False)])
def test_a_server_reaches_another_one_only_by_an_outbound_rule(
    demo: DemoEnvironment, host: PostgresHost, outbound: bool, reaches: bool
) -> None:
    """A subscription opens its connection in the server itself: production answers that it has no logical decoding."""
    group = demo.make_security_group(f"outbound-{outbound}", WORKER_ONLY, outbound=outbound)
    port, resource_id = make_cluster(demo, f"copy-{outbound}".lower(), group)
    production = demo.client("rds", SOURCE_REGION).describe_db_clusters()["DBClusters"][0]["Port"]
    conninfo = f"host=127.0.0.1 port={production} user={MASTER} password={PASSWORD} dbname={DATABASE}"
    with (
        closing(connect(host.address(resource_id).port, RDSADMIN, host._password, DATABASE)) as session,
        pytest.raises(psycopg.Error) as refused,
    ):
        session.autocommit = True
        session.execute("SET statement_timeout = '3s'")  # the server itself would wait for ever
        session.execute(f"CREATE SUBSCRIPTION shop CONNECTION '{conninfo}' PUBLICATION shop".encode())
    assert ("timeout" in str(refused.value)) is not reaches, refused.value
    assert can_log_in(port)


def test_groups_that_ec2_does_not_know_let_everything_pass(demo: DemoEnvironment) -> None:
    """From every address of this machine."""
    port, _ = make_cluster(demo, "unknown", "sg-0fedcba9876543210")
    with connections_from(ELSEWHERE, port) as elsewhere:
        assert can_log_in(elsewhere)
