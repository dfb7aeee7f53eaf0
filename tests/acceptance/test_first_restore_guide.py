"""docs/first-restore-on-aws.md as a reader follows it: its blocks `sh`, in their order, in two accounts of the emulator."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from devstack.aws import Emulator
from devstack.pipeline import ROOT, start_worker
from devstack.postgres import PostgresHost
from devstack.processes import Scratch
from devstack.temporal_server import TemporalServer
from tests.rigs import warm
from tests.rigs.cli import WORKER
from tests.rigs.documents import text
from tests.rigs.durations import COMMANDS
from tests.rigs.iam.template import read_template
from tests.rigs.restores import TIMERS_AT_ONCE
from tests.rigs.shareable_snapshots import TEMPLATE

BIN = Path(sys.executable).parent
GUIDE = text("docs", "first-restore-on-aws.md")
SOURCE_ACCOUNT, TARGET_ACCOUNT = "111122223333", "444455556666"
SOURCE_REGION, TARGET_REGION = "eu-west-1", "eu-central-1"
PATIENCE_SECONDS = 400
QUICK = "\n[waits]\n" + "".join(
    f'{step} = {{ deadline = "PT10M", first_interval = "PT0.2S", maximum_interval = "PT0.7S" }}\n'
    for step in ("copy_snapshot", "delete_rds", "restore_snapshot")
)
INSTANCE = "db.r6g.large"
CLUSTER: dict[str, Any] = {
    "Engine": "aurora-postgresql",
    "EngineVersion": "16.6",
    "DatabaseName": "orders",
    "MasterUsername": "orders_admin",
    "MasterUserPassword": "only-for-this-test",
    "DBSubnetGroupName": "default-group",
    "StorageEncrypted": True,
}


def sections() -> dict[str, list[str]]:
    """The blocks `sh` of each section, by the beginning of its heading."""
    parts = re.split(r"^## (.+)$", GUIDE, flags=re.MULTILINE)[1:]
    return {
        heading: re.findall(r"^```sh\n(.*?)^```$", body, re.MULTILINE | re.DOTALL)
        for heading, body in zip(parts[::2], parts[1::2], strict=True)
    }


class TwoAccounts:
    """Production's cluster in one account and staging's in another, each with its key, as their owners have them."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        for account, region, name in (
            (SOURCE_ACCOUNT, SOURCE_REGION, "orders"),
            (TARGET_ACCOUNT, TARGET_REGION, "orders-staging"),
        ):
            self._make_cluster(account, region, name)
        self._run_function = self._load_function()

    def client(self, service: str, account: str, region: str) -> Any:
        """A client of an account's owner."""
        make: Any = boto3.client
        return make(
            service,
            region_name=region,
            endpoint_url=self.emulator.endpoint_url,
            aws_access_key_id=account,
            aws_secret_access_key="x",
        )

    def _make_cluster(self, account: str, region: str, name: str) -> None:
        kms, ec2, rds = (self.client(service, account, region) for service in ("kms", "ec2", "rds"))
        key = kms.create_key()["KeyMetadata"]
        kms.create_alias(AliasName="alias/staging", TargetKeyId=key["KeyId"])
        subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]
        rds.create_db_subnet_group(
            DBSubnetGroupName="default-group", DBSubnetGroupDescription="all", SubnetIds=subnets[:3]
        )
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        rule = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "127.0.0.0/8"}]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        rds.create_db_cluster(
            DBClusterIdentifier=name,
            KmsKeyId=key["Arn"],
            VpcSecurityGroupIds=[group],
            DeletionProtection=True,
            **CLUSTER,
        )
        wait_until(lambda: rds.describe_db_clusters()["DBClusters"][0]["Status"] == "available")
        rds.create_db_instance(
            DBInstanceIdentifier=f"{name}-1",
            DBClusterIdentifier=name,
            DBInstanceClass=INSTANCE,
            Engine=CLUSTER["Engine"],
        )
        wait_until(lambda: rds.describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] == "available")

    def _load_function(self) -> Callable[[], None]:
        """The function of the template; here nothing runs it but the test."""
        loaded: dict[str, Any] = {"__name__": "function"}
        exec(read_template(TEMPLATE)["Resources"]["Function"]["Properties"]["Code"]["ZipFile"], loaded)

        def run() -> None:
            loaded["handler"]({"time": datetime.now(UTC).isoformat()})

        return run

    def make_shareable_snapshot(self) -> None:
        """RDS takes the day's automated snapshot, and EventBridge runs the function that the guide has deployed."""
        lambda_ = self.client("lambda", SOURCE_ACCOUNT, SOURCE_REGION)
        [function] = lambda_.list_functions()["Functions"]
        rds, kms = (self.client(service, SOURCE_ACCOUNT, SOURCE_REGION) for service in ("rds", "kms"))
        # Moto keeps the policy of a template's key as a mapping and then expects its text.
        kms.put_key_policy(KeyId=function["Environment"]["Variables"]["KEY"], PolicyName="default", Policy="{}")
        control(self.emulator, "rds/automated-snapshot", account=SOURCE_ACCOUNT, region=SOURCE_REGION, cluster="orders")
        wait_until(lambda: is_available(rds, "automated"))
        session = {
            "AWS_DEFAULT_REGION": SOURCE_REGION,
            "AWS_ACCESS_KEY_ID": SOURCE_ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "x",
        }
        with pytest.MonkeyPatch.context() as patch:
            variables = (
                function["Environment"]["Variables"] | session | {"AWS_ENDPOINT_URL": self.emulator.endpoint_url}
            )
            for name, value in variables.items():
                patch.setenv(name, str(value))
            self._run_function()
            wait_until(lambda: is_available(rds, "manual"))
            self._run_function()


def is_available(rds: Any, kind: str) -> bool:
    """Whether the newest snapshot of a kind is."""
    return bool(rds.describe_db_cluster_snapshots(SnapshotType=kind)["DBClusterSnapshots"][-1]["Status"] == "available")


def control(emulator: Emulator, path: str, **body: str) -> None:
    """Call the emulator's control endpoint."""
    request = urllib.request.Request(f"{emulator.endpoint_url}/_devstack/{path}", json.dumps(body).encode())
    urllib.request.urlopen(request).close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until it is true."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, condition
        time.sleep(0.1)


def poll_quickly(request: Path) -> None:
    """The guide's request has the default waits, which are for hours."""
    with request.open("a") as file:
        file.write(QUICK)


class Reader:
    """Follows the guide in one shell; before some sections the world does its part."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, dict(environment)
        for name in ("deploy", "starter.py", "worker.py"):
            (folder / name).symlink_to(ROOT / name)
        # `aws` and `python` are those of this interpreter's folder, from processes that have imported them.
        for name, start in (("aws", warm.command(BIN / "aws")), ("python", warm.command("")[:-1])):
            (folder / "bin").mkdir(exist_ok=True)
            (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {shlex.join(start)} "$@"\n')
            (folder / "bin" / name).chmod(0o755)
        self.environment["PATH"] = f"{folder / 'bin'}:{self.environment['PATH']}"

    def follow(self, world: dict[str, Callable[[], object]]) -> str:
        """Run every block; `world` has what to do before the first block of a section. Returns what was printed."""
        log = self.folder / "log"
        lines = ["set -euo pipefail", 'pause() { touch "$1.reached"; while [ ! -e "$1.done" ]; do sleep 0.05; done; }']
        for heading, blocks in sections().items():
            number = heading.removeprefix("Step ").partition(":")[0]
            lines += [f"pause {number}"] if number in world else []
            lines += [f"echo '== {heading.replace(chr(39), '')}'", *blocks]
        (self.folder / "guide.sh").write_text("\n".join(lines))
        with log.open("w") as output:
            shell = subprocess.Popen(
                ["bash", "guide.sh"], cwd=self.folder, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            self._play(shell, world)
            assert shell.wait(PATIENCE_SECONDS) == 0, log.read_text()
        finally:
            shell.kill()
            shell.wait()
        return log.read_text()

    def _play(self, shell: subprocess.Popen[bytes], world: dict[str, Callable[[], object]]) -> None:
        for number, act in world.items():
            reached = self.folder / f"{number}.reached"
            wait_until(partial(lambda file: file.exists() or shell.poll() is not None, reached))
            if shell.poll() is not None:
                return
            act()
            (self.folder / f"{number}.done").touch()


@pytest.fixture
def outputs_of_change_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto reads a stack's outputs before a change set gives it its template, and so finds none."""
    from moto.cloudformation.models import Stack

    def read_outputs(stack: Any) -> Any:
        stack._parse_template()
        return stack._create_output_map()

    monkeypatch.setattr(Stack, "output_map", property(read_outputs, lambda *_: None), raising=False)


@pytest.fixture
def accounts(outputs_of_change_sets: None) -> Iterator[TwoAccounts]:
    with PostgresHost() as postgres, Emulator(postgres, durations=COMMANDS) as emulator:
        yield TwoAccounts(emulator)


def test_a_block_is_run_or_says_that_it_is_not() -> None:
    """Every block is one of these: run by this test, a file's text, or commands below a sentence on what checked them."""
    languages = set(re.findall(r"^```(\w+)$", GUIDE, re.MULTILINE))
    assert languages == {"sh", "console", "toml"}
    assert sum(map(len, sections().values())) == len(re.findall(r"^```sh$", GUIDE, re.MULTILINE))
    for block in re.finditer(r"^```console$", GUIDE, re.MULTILINE):
        before = GUIDE[: block.start()]
        says = before[max(before.rfind("\n## "), before.rfind("\n**")) :]
        assert re.search("Not yet run|guide's test", says), says


@pytest.mark.timeout(900)
def test_the_guide_leads_from_two_accounts_to_a_scheduled_restore(accounts: TwoAccounts, tmp_path: Path) -> None:
    """Each block runs without an error; the restore succeeds and is listed, healthy and scheduled."""
    credentials = tmp_path / "credentials"
    credentials.write_text(
        f"[source]\naws_access_key_id = {SOURCE_ACCOUNT}\naws_secret_access_key = x\n"
        f"[target]\naws_access_key_id = {TARGET_ACCOUNT}\naws_secret_access_key = x\n"
    )
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(accounts.emulator.certificate_bundle)
    environment = {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_ENDPOINT_URL": accounts.emulator.endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    folder = tmp_path / "checkout"
    folder.mkdir()
    reader = Reader(folder, environment)
    with TemporalServer(headless=True, dynamic_config_values=[TIMERS_AT_ONCE]) as temporal, Scratch("guide") as scratch:
        (folder / "temporal.toml").write_text(f'[profile.default]\naddress = "{temporal.address}"\n')
        worker = environment | {
            "TEMPORAL_CONFIG_FILE": str(folder / "temporal.toml"),
            "AWS_PROFILE": "target",
            "AWS_REGION": TARGET_REGION,
            "AURORA_RESTORE_AUDIT_REGION": TARGET_REGION,
            "AURORA_RESTORE_DATABASE_TLS_CA_FILE": str(bundle),
        }
        printed = reader.follow(
            {
                "4": accounts.make_shareable_snapshot,
                "8": partial(start_worker, scratch, worker, command=warm.command(WORKER)),
                "10": partial(poll_quickly, folder / "restore.toml"),
            }
        )
    assert "No check failed. The restore would run." in printed
    assert "Notification sent" in printed
    assert "AURORA_RESTORE OK: orders-staging" in printed
    assert not (folder / "password.json").exists()
