"""The keys of a restore: the target's own, and the one that the snapshot is encrypted with."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from activities.preflight.context import RestoreContext, known
from activities.preflight.guards import PreflightCheck, Violation
from activities.rds.aws_errors import answer_if_exists

NOT_ACCESSIBLE = "KMS key not accessible"
USABLE = ("Enabled", "Updating")
"""The states in which a key encrypts and decrypts. Source: KMS Developer Guide, "Key states of AWS KMS keys"."""


class EncryptionChecks:
    """The target's key is checked in the target's account, the snapshot's in the source's."""

    def __init__(self, context: RestoreContext) -> None:
        """`context` is the planned restore."""
        self._context = context
        self._settings = context.settings
        self._snapshot = context.snapshot

    def checks(self) -> list[PreflightCheck]:
        """One check for each key."""
        return [
            PreflightCheck(("kms-key",), self._check_target_key),
            PreflightCheck(("snapshot-key-state",), self._check_snapshot_key),
            PreflightCheck(("archive-key",), self._check_shared_key),
        ]

    def _check_shared_key(self) -> Iterator[Violation]:
        """A snapshot is encrypted as its cluster, whose key is the request's, else the restored snapshot's.

        Source: Aurora User Guide, "Sharing encrypted snapshots": none that is encrypted with the account's default key.
        """
        accounts = self._context.step_input.archive.share_with
        if not accounts:
            return
        key = self._settings.kms_key_id or (self._snapshot.kms_key_id if self._snapshot.encrypted else None)
        metadata = known(partial(self._context.find_key, key)) if key else None
        if metadata is None or metadata.get("KeyManager") != "AWS":
            return
        yield Violation(
            "archive-key",
            "Masked snapshot cannot be shared",
            f"the restored target is encrypted with {key}, a key that AWS manages and no other account can use, but "
            f"archive.share_with names {', '.join(accounts)}. Name a customer-managed key in target.kms_key_id, and let "
            "these accounts use it.",
        )

    def _check_target_key(self) -> Iterator[Violation]:
        key = self._settings.kms_key_id
        if self._snapshot.encrypted and self._context.step_input.copy_needed and key is None:
            yield Violation(
                "kms-key",
                "KMS key needed",
                f"the snapshot {self._snapshot.identifier} is encrypted, and its copy is made in another region or "
                "account. Name a key of the target's region in target.kms_key_id.",
            )
        if self._settings.storage_encrypted and not self._snapshot.encrypted and key is None:
            yield Violation(
                "kms-key",
                "Target would become unencrypted",
                f"the snapshot {self._snapshot.identifier} is not encrypted, but the target is, with a key that RDS does "
                "not name. Name a key in target.kms_key_id; to give up encryption, set target.storage_encrypted to false.",
            )
        if key is None:
            return
        metadata = self._context.find_key(key)
        if metadata is None:
            yield self._context.missing_resource("kms-key", NOT_ACCESSIBLE, f"KMS key {key}")
        elif (state := metadata.get("KeyState", "Enabled")) not in USABLE:
            text = f"the KMS key {key} is {state}, expected Enabled. Enable it."
            yield Violation("kms-key", NOT_ACCESSIBLE, text)

    def _is_the_targets(self, key: str) -> bool:
        """Whether the check of the target's key says all about it."""
        own = self._settings.kms_key_id
        metadata = known(partial(self._context.find_key, own)) if own else None
        return metadata is not None and key in (metadata.get("Arn"), metadata["KeyId"])

    def _check_snapshot_key(self) -> Iterator[Violation]:
        """RDS needs it to copy or to restore the snapshot. Source: KMS API Reference, KeyMetadata, KeyState."""
        key, step_input = self._snapshot.kms_key_id, self._context.step_input
        if not self._snapshot.encrypted or key is None or self._is_the_targets(key):
            return
        kms = self._context.aws.kms(step_input.source, step_input.operation_id)
        answer = answer_if_exists(partial(kms.describe_key, KeyId=key))
        state = answer["KeyMetadata"].get("KeyState", "Enabled") if answer else "gone"
        if state in USABLE:
            return
        yield Violation(
            "snapshot-key-state",
            "Snapshot key not usable",
            f"the snapshot {self._snapshot.identifier} is encrypted with the KMS key {key}, which is {state}, expected "
            "Enabled. Enable the key or cancel its deletion; without it nobody can read the snapshot.",
        )
