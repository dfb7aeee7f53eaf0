"""What RDS, Secrets Manager, KMS and EC2 would refuse after the deletion: how to make it, and what the preflight says."""

from __future__ import annotations

from tests.rigs.activity_resources import UNUSABLE_SECRETS
from tests.rigs.refused_targets import (
    IN_ONE_ZONE,
    TAGS,
    UNUSABLE,
    Arrange,
    an_instance,
    from_old_version,
    in_two_zones,
    requesting,
    with_binary_secret,
    with_group_of_other_vpc,
    with_instance_window,
    with_master,
    with_more_instances,
    with_owners_tags,
    with_quarantine,
    with_snapshot_key,
    with_target_key,
    with_user,
    with_webhook,
    without_room_for_the_copy,
    without_room_for_the_masked_snapshot,
    without_room_for_two_clusters,
    without_target,
)

ROWS: dict[str, tuple[Arrange, str, str]] = {
    **{f"secret {value}": (with_user(value), "secret-value", UNUSABLE) for value in UNUSABLE_SECRETS},
    "master secret": (with_master("no JSON"), "secret-value", UNUSABLE),
    "master password": (with_master('{"password": "with space"}'), "master-password", "8 to 41 printable ASCII"),
    "webhook over http": (with_webhook('{"url": "http://example.com/x"}'), "secret-value", 'an https URL under "url"'),
    "user's secret is binary": (with_binary_secret, "secret-value", UNUSABLE),
    "secret of another user": (
        with_user('{"username": "app_clone", "password": "fine-1234"}'),
        "secret-value",
        "has the password of 'app_clone', but users has it for 'app'",
    ),
    "snapshot's key disabled": (with_snapshot_key("Disabled"), "snapshot-key-state", "is Disabled, expected Enabled"),
    "snapshot's key deleted": (with_snapshot_key("Deleted"), "snapshot-key-state", "which is PendingDeletion"),
    "target's key disabled": (with_target_key("Disabled"), "kms-key", "is Disabled, expected Enabled"),
    "target's key deleted": (with_target_key("Deleted"), "kms-key", "is PendingDeletion, expected Enabled"),
    "backup window": (requesting(preferred_backup_window="29:59-29:00"), "window", "no such time"),
    "backup window of 29 minutes": (requesting(preferred_backup_window="03:00-03:29"), "window", "shorter than 30"),
    "maintenance window": (requesting(preferred_maintenance_window="xyz:01:00-xyz:02:00"), "window", "no such time"),
    "instance's window": (
        requesting(instances=an_instance(preferred_maintenance_window="03:00-03:30")),
        "window",
        "target.instances.0.preferred_maintenance_window is 03:00-03:30",
    ),
    "windows overlap": (
        requesting(preferred_backup_window="23:30-00:30", preferred_maintenance_window="tue:00:00-tue:00:30"),
        "window-overlap",
        "of the cluster",
    ),
    "backup window in the live maintenance window": (
        requesting({"PreferredMaintenanceWindow": "fri:10:00-fri:11:00"}, preferred_backup_window="10:30-11:30"),
        "window-overlap",
        "fri:10:00-fri:11:00 of the cluster",
    ),
    "maintenance window in the live backup window": (
        requesting({"PreferredBackupWindow": "10:00-10:30"}, preferred_maintenance_window="fri:09:00-fri:11:00"),
        "window-overlap",
        "the backup window 10:00-10:30 overlaps",
    ),
    "backup window in an instance's": (with_instance_window, "window-overlap", "of instance staging-"),
    "log types": (
        requesting(cloudwatch_logs_exports=("postgresql", "slowquery")),
        "log-types",
        "does not export the log types slowquery, but iam-db-auth-error, instance, postgresql.",
    ),
    "auto-pause": (
        from_old_version(
            serverless_v2_scaling={"min_capacity": 0, "max_capacity": 1},
            instances=an_instance(instance_class="db.serverless"),
        ),
        "version-settings",
        "15.4 does not support serverless_v2_scaling.min_capacity 0, but 0.5 and more.",
    ),
    "write forwarding": (
        from_old_version(local_write_forwarding=True),
        "version-settings",
        "15.4 does not support local_write_forwarding.",
    ),
    "backtracking": (
        requesting(backtrack_window_seconds=60),
        "version-settings",
        "does not support backtrack_window_seconds.",
    ),
    "certificate authority": (
        requesting(instances=an_instance(ca_certificate_identifier="rds-ca-2015")),
        "version-settings",
        "does not support ca_certificate_identifier rds-ca-2015, but rds-ca-ecc384-g1, ",
    ),
    "security group of another VPC": (with_group_of_other_vpc, "security-group-vpc", "is in vpc-"),
    "quarantine that lets out": (with_quarantine(outbound=True), "quarantine", "lets connections out to 0.0.0.0/0"),
    "quarantine that lets everyone in": (with_quarantine(inbound="0.0.0.0/0"), "quarantine", "lets 0.0.0.0/0 in"),
    "quarantine of the target's own": (with_quarantine(own=True), "quarantine", "so its users would get in"),
    "zone without subnet": (in_two_zones(zone="eu-central-1c"), "availability-zone", "would be in eu-central-1c"),
    "class without zone": (in_two_zones(IN_ONE_ZONE), "instance-class", "in eu-central-1a, eu-central-1b."),
    "tags": (with_owners_tags, "tag-count", "would have 51 tags, 3 of them the pipeline's"),
    "tags of an instance": (
        requesting(instances=an_instance(tags={tag["Key"]: "-" for tag in TAGS[:50]})),
        "tag-count",
        "would have 51 tags, 1 of them the pipeline's",
    ),
    "cluster quota": (without_target(clusters=1), "account-quota", "has 1 clusters in eu-central-1, of at most 1"),
    "storage quota": (without_target(storage_gib=1), "account-quota", "GiB of allocated storage"),
    "instance quota": (with_more_instances, "account-quota", "frees 2 before it needs 3"),
    "instance quota of a swap": (without_room_for_two_clusters, "account-quota", "frees 0 before it needs 2"),
    "snapshot quota with a masked one": (
        without_room_for_the_masked_snapshot,
        "account-quota",
        "the restore frees 0 before it needs 2",
    ),
    "snapshot quota": (without_room_for_the_copy, "account-quota", "manual cluster snapshots"),
}
"""By what is wrong: how to make it, the one rule of the refusal, and a part of its text."""
