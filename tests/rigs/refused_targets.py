"""Targets, requests and accounts with which AWS would refuse a restore after the deletion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.archive import Archive, Notification
from models.configuration import Instance
from models.quarantine import Quarantine
from models.request import MissingTarget, RequestedInstance
from models.steps import Replacement
from models.users import DatabaseUser
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, SOURCE_REGION, SUBNET_GROUP

Arrange = Callable[[ActivityRig], dict[str, Any]]
"""Makes what the row is about; returns what it changes of the request."""


TAGS = [{"Key": f"key-{number}", "Value": "-"} for number in range(60)]


LARGE = "db.r6g.large"


IN_ONE_ZONE = "db.x2g.large"


UNUSABLE = "not JSON with a text under"


def make_all(rig: ActivityRig, **target: Any) -> None:
    """A source with an automated snapshot, and a target."""
    rig.make_source()
    rig.make_target(**target)
    take_snapshot(rig)


def take_snapshot(rig: ActivityRig) -> None:
    rig.control("rds/automated-snapshot", account=ACCOUNT, region=SOURCE_REGION, cluster=rig.source.cluster)
    rig.advance_clock()


# Secrets


def with_master(value: str) -> Arrange:
    def arrange(rig: ActivityRig) -> dict[str, Any]:
        make_all(rig)
        return {"target": {"master_user_secret_id": rig.make_secret("master", value)}}

    return arrange


def with_user(value: str) -> Arrange:
    def arrange(rig: ActivityRig) -> dict[str, Any]:
        make_all(rig)
        return {"users": (DatabaseUser(name="app", secret_id=rig.make_secret("app", value)),)}

    return arrange


def with_webhook(secret: str) -> Arrange:
    def arrange(rig: ActivityRig) -> dict[str, Any]:
        make_all(rig)
        return {"notification": Notification(webhook_secret_id=rig.make_secret("webhook", secret))}

    return arrange


def with_binary_secret(rig: ActivityRig) -> dict[str, Any]:
    make_all(rig)
    secret = f"binary-{rig.number}"
    rig.shared.owner("secretsmanager").create_secret(Name=secret, SecretBinary=b"x")
    return {"users": (DatabaseUser(name="app", secret_id=secret),)}


# Keys


def new_key(rig: ActivityRig, region: str, state: str) -> tuple[str, Callable[[], object]]:
    """A key, and what gives it this state."""
    kms = rig.shared.owner("kms", region)
    key = kms.create_key()["KeyMetadata"]
    if state == "Disabled":
        return key["Arn"], lambda: kms.disable_key(KeyId=key["KeyId"])
    return key["Arn"], lambda: kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)


def with_snapshot_key(state: str) -> Arrange:
    def arrange(rig: ActivityRig) -> dict[str, Any]:
        key, change = new_key(rig, SOURCE_REGION, state)
        rig.make_source(KmsKeyId=key)
        rig.make_target()
        take_snapshot(rig)
        change()
        return {}

    return arrange


def with_target_key(state: str) -> Arrange:
    """The request names no key: the live target's is carried over."""

    def arrange(rig: ActivityRig) -> dict[str, Any]:
        key, change = new_key(rig, rig.target.region, state)
        make_all(rig, StorageEncrypted=True, KmsKeyId=key)
        change()
        return {"target": {"kms_key_id": None}}

    return arrange


# Settings


def requesting(live: dict[str, Any] | None = None, **target: Any) -> Arrange:
    """A live target with these settings, and a request with those."""

    def arrange(rig: ActivityRig) -> dict[str, Any]:
        make_all(rig, **(live or {}))
        return {"target": target}

    return arrange


def from_old_version(**target: Any) -> Arrange:
    """A source of a version that lacks what newer ones have; the request has its settings."""

    def arrange(rig: ActivityRig) -> dict[str, Any]:
        rig.make_source(EngineVersion="15.4")
        rig.make_target()
        take_snapshot(rig)
        return {"target": {"db_cluster_parameter_group_name": None, **target}}

    return arrange


def an_instance(**settings: Any) -> tuple[Instance, ...]:
    return (RequestedInstance(**{"instance_class": LARGE, **settings}),)


def with_instance_window(rig: ActivityRig) -> dict[str, Any]:
    """The request moves the backup into the window of a live instance, which is carried over."""
    make_all(rig)
    rig.rds().modify_db_instance(
        DBInstanceIdentifier=f"{rig.target.cluster}-2", PreferredMaintenanceWindow="wed:07:00-wed:07:30"
    )
    return {"target": {"instances": None, "preferred_backup_window": "06:45-07:15"}}


def with_owners_tags(rig: ActivityRig) -> dict[str, Any]:
    """48 of the owner's; the pipeline has three more."""
    make_all(rig)
    rig.rds().add_tags_to_resource(ResourceName=rig.target.arn, Tags=TAGS[:48])
    return {}


def with_group_of_other_vpc(rig: ActivityRig) -> dict[str, Any]:
    make_all(rig)
    ec2 = rig.shared.owner("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="other", Description="-", VpcId=vpc)["GroupId"]
    return {"target": {"vpc_security_group_ids": (group,)}}


def with_quarantine(*, outbound: bool = False, inbound: str = "10.0.0.7/32", own: bool = False) -> Arrange:
    """A group for quarantine that lets this address in, nothing or anything out, and that the target may have, too."""

    def arrange(rig: ActivityRig) -> dict[str, Any]:
        rule: Any = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": inbound}]}
        everything: Any = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ec2 = rig.shared.owner("ec2")
        group = ec2.create_security_group(GroupName=f"quarantine-{rig.number}", Description="-")["GroupId"]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        if not outbound:
            ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[everything])
        make_all(rig, **({"VpcSecurityGroupIds": [group]} if own else {}))
        quarantine = {"quarantine": Quarantine(vpc_security_group_ids=(group,))}
        return {"target": quarantine | ({"vpc_security_group_ids": None} if own else {})}

    return arrange


def in_two_zones(instance_class: str = LARGE, zone: str | None = None) -> Arrange:
    """A subnet group in the first two zones; the class IN_ONE_ZONE is offered in the third."""

    def arrange(rig: ActivityRig) -> dict[str, Any]:
        make_all(rig)
        subnets = rig.rds().describe_db_subnet_groups(DBSubnetGroupName=SUBNET_GROUP)["DBSubnetGroups"][0]["Subnets"]
        name = f"two-{rig.number}"
        first = [each["SubnetIdentifier"] for each in subnets if each["SubnetAvailabilityZone"]["Name"][-1] in "ab"]
        rig.rds().create_db_subnet_group(DBSubnetGroupName=name, DBSubnetGroupDescription="-", SubnetIds=first)
        instances = an_instance(instance_class=instance_class, availability_zone=zone)
        return {"target": {"db_subnet_group_name": name, "instances": instances}}

    return arrange


# Quotas


def without_target(**quotas: int) -> Arrange:
    def arrange(rig: ActivityRig) -> dict[str, Any]:
        rig.make_source()
        take_snapshot(rig)
        rig.make_cluster(rig.target.region, f"other-{rig.number}")
        rig.control("rds/quotas", **quotas)
        return {"target": {"missing": MissingTarget.CREATE}}

    return arrange


def with_more_instances(rig: ActivityRig) -> dict[str, Any]:
    """Three in place of two, and two are allowed."""
    make_all(rig)
    rig.control("rds/quotas", instances=2)
    return {"target": {"instances": an_instance() * 3}}


def without_room_for_two_clusters(rig: ActivityRig) -> dict[str, Any]:
    """A deletion first would free what the restored instances need; a swap has both for a time."""
    make_all(rig)
    rig.control("rds/quotas", instances=3)
    return {"target": {"replacement": Replacement.SWAP}}


def without_room_for_the_copy(rig: ActivityRig) -> dict[str, Any]:
    make_all(rig)
    rig.control("rds/quotas", manual_snapshots=0)
    return {}


def without_room_for_the_masked_snapshot(rig: ActivityRig) -> dict[str, Any]:
    """Room for the copy alone."""
    make_all(rig)
    rig.control("rds/quotas", manual_snapshots=len(rig.rds().describe_db_cluster_snapshots()["DBClusterSnapshots"]) + 1)
    return {"archive": Archive(masked=True)}
