"""What a snapshot in another account needs before the target's account may copy it.

The pipeline only reads the source, so that it reports what is missing and changes nothing.
Source: Aurora User Guide, "Sharing a DB cluster snapshot" and "Copying a DB cluster snapshot".
"""

from __future__ import annotations

from collections.abc import Iterator

from activities.preflight.guards import PreflightCheck, Violation
from clients.aws import AwsClients
from models.snapshots import SnapshotCheckInput, SourceSnapshot


class Sharing:
    """Checked in the source's account."""

    def __init__(self, aws: AwsClients, step_input: SnapshotCheckInput, snapshot: SourceSnapshot) -> None:
        """`snapshot` is the one to copy."""
        self._aws = aws
        self._step_input = step_input
        self._snapshot = snapshot

    def checks(self) -> list[PreflightCheck]:
        """One check for each reason why the target's account could not copy it."""
        return [
            PreflightCheck(("snapshot-type",), self._check_type),
            PreflightCheck(("snapshot-share",), self._check_share),
            PreflightCheck(("snapshot-key",), self._check_key),
        ]

    def _check_type(self) -> Iterator[Violation]:
        if self._snapshot.type == "manual":
            return
        yield Violation(
            "snapshot-type",
            "Snapshot cannot be shared",
            f"{self._snapshot.arn} is {self._snapshot.type}, but only a manual snapshot can be shared with another "
            "account. Copy it every day to a manual snapshot in the source's account, and name that in "
            "source.snapshot.prefix.",
        )

    def _check_share(self) -> Iterator[Violation]:
        if self._snapshot.type != "manual":
            return
        source, identifier = self._step_input.source, self._snapshot.identifier
        rds = self._aws.rds(source, self._step_input.operation_id)
        answer = rds.describe_db_cluster_snapshot_attributes(DBClusterSnapshotIdentifier=identifier)
        attributes = answer["DBClusterSnapshotAttributesResult"].get("DBClusterSnapshotAttributes", [])
        accounts = {
            account
            for attribute in attributes
            if attribute.get("AttributeName") == "restore"
            for account in attribute.get("AttributeValues", [])
        }
        target_account = self._step_input.target.account_id
        if accounts & {target_account, "all"}:
            return
        yield Violation(
            "snapshot-share",
            "Snapshot not shared",
            f"{self._snapshot.arn} is not shared with account {target_account}. To share it, its owner runs:\n"
            f"  aws rds modify-db-cluster-snapshot-attribute --region {source.region} "
            f"--db-cluster-snapshot-identifier {identifier} --attribute-name restore --values-to-add {target_account}",
        )

    def _check_key(self) -> Iterator[Violation]:
        if not self._snapshot.encrypted or self._snapshot.kms_key_id is None:
            return
        kms = self._aws.kms(self._step_input.source, self._step_input.operation_id)
        if kms.describe_key(KeyId=self._snapshot.kms_key_id)["KeyMetadata"].get("KeyManager") != "AWS":
            return
        yield Violation(
            "snapshot-key",
            "Default key cannot be shared",
            f"{self._snapshot.arn} is encrypted with the key aws/rds, which no other account can use. "
            "In the source's account, copy it with a customer-managed key; share that key and that copy; "
            "then name the copy in the request.",
        )
