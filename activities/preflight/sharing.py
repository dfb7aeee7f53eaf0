"""What a snapshot in another account needs before the target's account may copy it.

The pipeline only ever reads the source, so it says what is missing and changes nothing.
Source: Aurora User Guide, "Sharing a DB cluster snapshot" and "Copying a DB cluster snapshot".
"""

from __future__ import annotations

from collections.abc import Iterator

from activities.preflight.guards import PreflightCheck, Violation
from clients.aws import AwsClients
from models.snapshots import SnapshotCheckInput, SourceSnapshot


class Sharing:
    """Looked up in the source's account."""

    def __init__(self, aws: AwsClients, step_input: SnapshotCheckInput, snapshot: SourceSnapshot) -> None:
        """`snapshot` is the one that will be copied."""
        self._aws = aws
        self._step_input = step_input
        self._snapshot = snapshot

    def checks(self) -> list[PreflightCheck]:
        """Everything that could keep the target's account from copying it."""
        return [
            PreflightCheck(("snapshot-type",), self._type),
            PreflightCheck(("snapshot-share",), self._share),
            PreflightCheck(("snapshot-key",), self._key),
        ]

    def _type(self) -> Iterator[Violation]:
        if self._snapshot.type == "manual":
            return
        yield Violation(
            "snapshot-type",
            "Snapshot cannot be shared",
            f"{self._snapshot.arn} is {self._snapshot.type}, and only a manual snapshot can be shared with another account. "
            "Copy it to a manual one in the source's account every night and name that by source.snapshot.prefix.",
        )

    def _share(self) -> Iterator[Violation]:
        if self._snapshot.type != "manual":
            return
        rds = self._aws.rds(self._step_input.source, self._step_input.operation_id)
        identifier = self._snapshot.identifier
        result = rds.describe_db_cluster_snapshot_attributes(DBClusterSnapshotIdentifier=identifier)
        attributes = result["DBClusterSnapshotAttributesResult"].get("DBClusterSnapshotAttributes", [])
        shared = {value for one in attributes if one["AttributeName"] == "restore" for value in one["AttributeValues"]}
        target = self._step_input.target.account_id
        if shared & {target, "all"}:
            return
        yield Violation(
            "snapshot-share",
            "Snapshot not shared",
            f"{self._snapshot.arn} is not shared with account {target}. Its owner runs: "
            f"aws rds modify-db-cluster-snapshot-attribute --region {self._step_input.source.region} "
            f"--db-cluster-snapshot-identifier "
            f"{identifier} --attribute-name restore --values-to-add {target}",
        )

    def _key(self) -> Iterator[Violation]:
        if not self._snapshot.encrypted or self._snapshot.kms_key_id is None:
            return
        kms = self._aws.kms(self._step_input.source, self._step_input.operation_id)
        if kms.describe_key(KeyId=self._snapshot.kms_key_id)["KeyMetadata"].get("KeyManager") != "AWS":
            return
        yield Violation(
            "snapshot-key",
            "Default key cannot be shared",
            f"{self._snapshot.arn} is encrypted with the key aws/rds, which no other account can use. Copy it with a "
            "customer-managed key in the source's account, share that key and that copy, and name the copy.",
        )
