"""The certificates of endpoints, as the pipeline's own clients verify them, on both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from devstack.aws import Emulator, NoDatabases
from devstack.aws.certificates import CertificateAuthority
from devstack.mariadb import HOW_TO_GET, MariadbHost, missing_programs
from devstack.postgres import PostgresHost
from errors import DatabaseUnreachable
from models.clusters import Endpoint
from tests.rigs.durations import AT_ONCE
from tests.rigs.emulated_aws import MASTER, EmulatedAws

POSTGRES, MYSQL = "aurora-postgresql", "aurora-mysql"
WAITER = {"Delay": 0.05, "MaxAttempts": 400}


@pytest.fixture(scope="module", params=[POSTGRES, MYSQL])
def aws(request: pytest.FixtureRequest) -> Iterator[EmulatedAws]:
    """An emulator whose transitions take no time, with a server behind the clusters of one engine."""
    if request.param == MYSQL and (missing := missing_programs()):
        pytest.skip(f"{' and '.join(missing)} are not on this machine: {HOW_TO_GET}")
    import_module(
        "moto.ec2.models"
    )  # of which security groups are asked; on a busy machine it takes longer than a call may
    with ExitStack() as running:
        if request.param == MYSQL:
            emulator = Emulator(NoDatabases(), mysql=running.enter_context(MariadbHost()), durations=AT_ONCE)
        else:
            emulator = Emulator(running.enter_context(PostgresHost()), durations=AT_ONCE)
        running.enter_context(emulator)
        emulated = EmulatedAws(emulator)
        emulated.engine = request.param  # type: ignore[attr-defined]  # of this module's emulator only
        yield emulated


@pytest.fixture(scope="module")
def engine(aws: EmulatedAws) -> str:
    return str(vars(aws)["engine"])


@pytest.fixture
def log_in(aws: EmulatedAws, engine: str, tmp_path: Path) -> Callable[..., str]:
    """Log in to a host name with verify-full; returns the Details of the refusal, or nothing."""

    def attempt(host: str, port: int, bundle: str = aws.emulator.certificate_bundle) -> str:
        file = tmp_path / "bundle.pem"
        file.write_text(bundle)
        endpoint = Endpoint(
            host=host, port=port, engine=engine, master_username="boss", master_user_secret_id="-", database_name=None
        )
        connector: Any = (
            MysqlConnector(tls=True, ca_file=file, connect_seconds=5)
            if engine == MYSQL
            else PostgresConnector("verify-full", file, 5)
        )
        try:
            with closing(connector.connect(endpoint, "orders", "boss", MASTER["MasterUserPassword"])):
                return ""
        except DatabaseUnreachable as refused:
            return refused.fault.short

    return attempt


def make_cluster(aws: EmulatedAws, engine: str, name: str, endpoint: str | None = None) -> dict[str, Any]:
    """Create a cluster with one instance, and perhaps a custom endpoint."""
    aws.create_cluster(name, Engine=engine, DatabaseName="orders")
    add_instance(aws, engine, name, f"{name}-{len(aws.client().describe_db_instances()['DBInstances'])}")
    if endpoint is not None:
        aws.client().create_db_cluster_endpoint(
            DBClusterIdentifier=name, DBClusterEndpointIdentifier=endpoint, EndpointType="ANY"
        )
    return aws.describe_cluster(name)


def add_instance(aws: EmulatedAws, engine: str, cluster: str, name: str) -> dict[str, Any]:
    rds = aws.client()
    rds.create_db_instance(
        DBInstanceIdentifier=name, DBClusterIdentifier=cluster, Engine=engine, DBInstanceClass="db.r6g.large"
    )
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier=name, WaiterConfig=WAITER)
    [instance] = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    return dict(instance)


def restart(aws: EmulatedAws, name: str) -> None:
    rds = aws.client()
    rds.stop_db_cluster(DBClusterIdentifier=name)
    assert aws.describe_cluster(name)["Status"] == "stopped"
    rds.start_db_cluster(DBClusterIdentifier=name)
    rds.get_waiter("db_cluster_available").wait(DBClusterIdentifier=name, WaiterConfig=WAITER)


def test_every_endpoint_shows_a_certificate_of_its_name(
    aws: EmulatedAws, engine: str, log_in: Callable[..., str]
) -> None:
    """Of the writer, the readers, the instances, one that came later too, and a custom one; not under another CA."""
    cluster = make_cluster(aws, engine, "shop", "reports")
    later = add_instance(aws, engine, "shop", "later")
    hosts = [cluster["Endpoint"], cluster["ReaderEndpoint"], *cluster["CustomEndpoints"], later["Endpoint"]["Address"]]
    assert [log_in(host, cluster["Port"]) for host in hosts] == ["", "", "", ""]
    assert log_in(hosts[0], cluster["Port"], CertificateAuthority().bundle) == "Certificate not trusted"
    assert log_in(hosts[0].replace("shop", "shot"), cluster["Port"]) == "Certificate of another name"


def test_a_renamed_cluster_shows_its_old_name_until_it_was_stopped_and_started(
    aws: EmulatedAws, engine: str, log_in: Callable[..., str]
) -> None:
    """Its old endpoint leads nowhere, until another cluster has the name."""
    rds = aws.client()
    before = make_cluster(aws, engine, "target")
    rds.modify_db_cluster(DBClusterIdentifier="target", NewDBClusterIdentifier="target-old", ApplyImmediately=True)
    after = aws.describe_cluster("target-old")
    assert after["Endpoint"] == before["Endpoint"].replace("target", "target-old")
    assert log_in(after["Endpoint"], after["Port"]) == "Certificate of another name"
    assert log_in(before["Endpoint"], before["Port"]) == "Connection timeout"
    restart(aws, "target-old")
    after = aws.describe_cluster("target-old")
    assert log_in(after["Endpoint"], after["Port"]) == ""
    successor = make_cluster(aws, engine, "target")
    assert [successor[name] for name in ("Endpoint", "Port")] == [before[name] for name in ("Endpoint", "Port")]
    assert log_in(before["Endpoint"], before["Port"]) == ""


def test_a_stopped_cluster_accepts_no_connection(aws: EmulatedAws, engine: str, log_in: Callable[..., str]) -> None:
    """Also under the port that it had."""
    before = make_cluster(aws, engine, "idle")
    aws.client().stop_db_cluster(DBClusterIdentifier="idle")
    for port in (before["Port"], aws.describe_cluster("idle")["Port"]):
        assert log_in(before["Endpoint"], port) == "Connection timeout"
