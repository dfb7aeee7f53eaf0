"""The environment of the examples: a production cluster with data and backups, and a staging cluster to replace.

It is built with the API calls that the owner of real clusters would make, so it is an example of them too.
"""

from __future__ import annotations

import json
import secrets
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psycopg

from devstack.aws import Emulator
from devstack.processes import LOOPBACK, Scratch

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionTypeDef
    from mypy_boto3_rds import RDSClient

ACCOUNT = "111122223333"
SOURCE_REGION = "eu-west-1"
TARGET_REGION = "eu-central-1"
SOURCE = "orders"
TARGET = "orders-staging"
DATABASE = "orders"
MASTER = "orders_admin"
ENGINE = "aurora-postgresql"
ENGINE_VERSION = "16.6"
INSTANCE_CLASS = "db.r6g.large"
SUBNET_GROUP = "staging"
SECURITY_GROUP = "sg-0123456789abcdef0"
KMS_ALIAS = "alias/staging"
TOPIC = "aurora-restore"
INBOX = "aurora-restore-inbox"
USERS = {"orders_app": "staging/orders/app", "orders_report": "staging/orders/report"}
REPLACED_BY = "aurora-restore:replaced-by"
READY_SECONDS = 30.0


def environment(endpoint_url: str, region: str = TARGET_REGION) -> dict[str, str]:
    """The variables that connect boto3 and the `aws` CLI to the emulator as the examples' account."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "devstack",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@cache
def _client(endpoint_url: str, service: str, region: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]  # the service is a variable here
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="devstack",  # noqa: S106 - the emulator checks no signature
    )


def _has_writer(rds: RDSClient, cluster: str) -> bool:
    instance = rds.describe_db_instances(DBInstanceIdentifier=f"{cluster}-1")["DBInstances"][0]
    return instance["DBInstanceStatus"] == "available"


def _is_taken(rds: RDSClient, snapshot: str, kind: str) -> bool:
    found = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=snapshot, SnapshotType=kind)
    return found["DBClusterSnapshots"][0]["Status"] == "available"


def _give_fixed_id(security_group: str) -> None:
    """Moto chooses a security group's id at random, but the example's request names a fixed one."""
    from moto.ec2.models import (
        ec2_backends,  # the emulator, which imports moto in the background, has imported it by now
    )

    for groups in ec2_backends[ACCOUNT][TARGET_REGION].groups.values():
        if security_group in groups:
            group = groups[SECURITY_GROUP] = groups.pop(security_group)
            group.id = SECURITY_GROUP


@dataclass
class DemoEnvironment:
    """The examples' clusters, keys, users and topic; passwords are random and stored in the emulator's Secrets Manager."""

    emulator: Emulator
    source_arn: str = f"arn:aws:rds:{SOURCE_REGION}:{ACCOUNT}:cluster:{SOURCE}"
    target_arn: str = f"arn:aws:rds:{TARGET_REGION}:{ACCOUNT}:cluster:{TARGET}"
    topic_arn: str = f"arn:aws:sns:{TARGET_REGION}:{ACCOUNT}:{TOPIC}"
    inbox_url: str = ""
    master_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @cached_property
    def _scratch(self) -> Scratch:
        return Scratch("demo")

    @cached_property
    def certificate_bundle(self) -> Path:
        """A file with the certificate of the emulator's authority, in place of the RDS global bundle."""
        return self._scratch.write("certificates.pem", self.emulator.certificate_bundle)

    def client(self, service: str, region: str = TARGET_REGION) -> Any:
        """A boto3 client of the account, made once: its service's model takes longer than most calls."""
        return _client(self.emulator.endpoint_url, service, region)

    def write_to_source(self, statement: str, *arguments: Any) -> None:
        """Run a statement in the source database as its master user."""
        with self._connect(SOURCE_REGION, SOURCE, MASTER, self.master_password) as connection:
            connection.execute(statement, arguments)

    def read_from_target(self, user: str, query: str) -> list[tuple[Any, ...]]:
        """Query the target database as one of the users that the restore creates, with the password of its secret."""
        secret = self.client("secretsmanager").get_secret_value(SecretId=USERS[user])
        password = json.loads(secret["SecretString"])["password"]
        with self._connect(TARGET_REGION, TARGET, user, password) as connection:
            return connection.execute(query).fetchall()

    def write_to_target(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement in the target database as its master user, who can log in while the database is closed."""
        cluster = self.client("rds").describe_db_clusters(DBClusterIdentifier=TARGET)["DBClusters"][0]
        secret = self.client("secretsmanager").get_secret_value(SecretId=cluster["MasterUserSecret"]["SecretArn"])
        password = json.loads(secret["SecretString"])["password"]
        with self._connect(TARGET_REGION, TARGET, MASTER, password) as connection:
            return connection.execute(statement).fetchall()

    def take_automated_snapshot(self, cluster: str = SOURCE) -> str:
        """Take the automated snapshot that RDS takes once a day; returns its identifier once it is available."""
        body = {"account": ACCOUNT, "region": SOURCE_REGION, "cluster": cluster}
        identifier: str = self.control("POST", "/_devstack/rds/automated-snapshot", body)["identifier"]
        rds: RDSClient = self.client("rds", SOURCE_REGION)
        self.wait_until(lambda: _is_taken(rds, identifier, "automated"))
        return identifier

    def take_snapshot(self, identifier: str) -> None:
        """Take a manual snapshot of the source; returns once it is available."""
        rds: RDSClient = self.client("rds", SOURCE_REGION)
        rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier=identifier, DBClusterIdentifier=SOURCE)
        self.wait_until(lambda: _is_taken(rds, identifier, "manual"))

    def receive_notifications(self) -> list[dict[str, Any]]:
        """Receive the messages that the topic's subscribers got since the last call, and delete them from the queue."""
        sqs = self.client("sqs")
        received: list[dict[str, Any]] = []
        while True:
            messages = sqs.receive_message(QueueUrl=self.inbox_url, MaxNumberOfMessages=10).get("Messages")
            if not messages:
                return received
            for message in messages:
                received.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.inbox_url, ReceiptHandle=message["ReceiptHandle"])

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the emulator's control endpoint; returns its response."""
        request = urllib.request.Request(  # noqa: S310 - an address of this machine
            self.emulator.endpoint_url + path, json.dumps(body or {}).encode(), method=method
        )
        with urllib.request.urlopen(request) as response:  # noqa: S310 - as above
            return json.loads(response.read())

    def build(self, *, filled: bool = True) -> None:
        """Create the whole environment; `filled` inserts rows into the source, which needs a database server.

        On the emulator's clock the clusters are a month old and the automated snapshot is two hours old.
        """
        now = self.emulator.clock.now()
        self.emulator.clock.set(now - timedelta(days=30))
        self._make_staging_security_group()
        self._make_kms_key()
        self.make_subnet_group(SOURCE_REGION, "production")
        self.make_subnet_group()
        self._make_source()
        self.make_target()
        self._make_secrets()
        self._make_inbox()
        if filled:
            self._insert_orders()
        self.emulator.clock.set(now - timedelta(hours=2))
        self.take_automated_snapshot()
        self.emulator.clock.set(now)

    def make_security_group(
        self, name: str, address: str, *, outbound: bool = True, region: str = TARGET_REGION
    ) -> str:
        """Create a security group that lets this address range in, and anything out or nothing; returns its id."""
        ec2 = self.client("ec2", region)
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        group: str = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        rule: IpPermissionTypeDef = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": address}]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        if not outbound:
            everything: IpPermissionTypeDef = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
            ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[everything])
        return group

    def _make_staging_security_group(self) -> None:
        _give_fixed_id(self.make_security_group("staging-database", "127.0.0.0/8"))

    def _make_kms_key(self) -> None:
        kms = self.client("kms")
        kms.create_alias(AliasName=KMS_ALIAS, TargetKeyId=kms.create_key(Description="staging")["KeyMetadata"]["KeyId"])

    def make_subnet_group(self, region: str = TARGET_REGION, name: str = SUBNET_GROUP) -> None:
        """Create a DB subnet group over the region's default subnets."""
        subnets = [subnet["SubnetId"] for subnet in self.client("ec2", region).describe_subnets()["Subnets"]]
        self.client("rds", region).create_db_subnet_group(
            DBSubnetGroupName=name, DBSubnetGroupDescription=name, SubnetIds=subnets[:3]
        )

    def make_target(self) -> None:
        """Create the staging cluster with the opt-in tag for the source; returns once it is available."""
        opt_in = [{"Key": REPLACED_BY, "Value": self.source_arn}]
        password = secrets.token_urlsafe(24)
        self.make_cluster(self.client("rds"), TARGET, SUBNET_GROUP, password, KmsKeyId=KMS_ALIAS, Tags=opt_in)

    def _make_source(self) -> None:
        rds = self.client("rds", SOURCE_REGION)
        self.make_cluster(rds, SOURCE, "production", self.master_password, DeletionProtection=True)

    def make_cluster(
        self, rds: RDSClient, name: str, subnet_group: str, password: str, *, engine: str = ENGINE, **options: Any
    ) -> None:
        """Create an encrypted cluster with a writer and an empty database; returns once both are available."""
        defaults: dict[str, Any] = {"EngineVersion": ENGINE_VERSION, "DatabaseName": DATABASE, "MasterUsername": MASTER}
        rds.create_db_cluster(
            DBClusterIdentifier=name,
            Engine=engine,
            MasterUserPassword=password,
            DBSubnetGroupName=subnet_group,
            StorageEncrypted=True,
            **(defaults | options),
        )
        self.wait_until(
            lambda: rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]["Status"] == "available"
        )
        rds.create_db_instance(
            DBInstanceIdentifier=f"{name}-1", DBClusterIdentifier=name, DBInstanceClass=INSTANCE_CLASS, Engine=engine
        )
        self.wait_until(lambda: _has_writer(rds, name))

    def _make_secrets(self) -> None:
        manager = self.client("secretsmanager")
        for user, secret in USERS.items():
            value = json.dumps({"username": user, "password": secrets.token_urlsafe(24)})
            manager.create_secret(Name=secret, SecretString=value)

    def _make_inbox(self) -> None:
        sns, sqs = self.client("sns"), self.client("sqs")
        topic = sns.create_topic(Name=TOPIC)["TopicArn"]
        self.inbox_url = sqs.create_queue(QueueName=INBOX)["QueueUrl"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{TARGET_REGION}:{ACCOUNT}:{INBOX}")

    def _insert_orders(self) -> None:
        self.write_to_source("CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, total numeric NOT NULL)")
        self.write_to_source("INSERT INTO orders VALUES (1, 'Ada', 12.50), (2, 'Grace', 99.00), (3, 'Edsger', 7.25)")

    def _connect(self, region: str, cluster: str, user: str, password: str) -> psycopg.Connection:
        described = self.client("rds", region).describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"][0]
        return psycopg.connect(
            host=described["Endpoint"],
            hostaddr=LOOPBACK,
            port=described["Port"],
            sslmode="verify-full",
            sslrootcert=str(self.certificate_bundle),
            dbname=DATABASE,
            user=user,
            password=password,
            connect_timeout=5,
            autocommit=True,
        )

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Advance the emulator's clock by minutes until `ready`; the servers start in real time meanwhile.

        Raises TimeoutError after 30 s of real time.
        """
        end = time.monotonic() + READY_SECONDS
        while not ready():
            if time.monotonic() > end:
                raise TimeoutError(f"The demo's clusters were not ready within {READY_SECONDS:.0f} s.")
            self.emulator.clock.set(self.emulator.clock.now() + timedelta(minutes=1))
            time.sleep(0.02)
