"""A seal as an item of the trail: what it covers, how it refers to the previous seal, and its digest.

A seal lists the digest of every row that it covers, so that `audit verify` can name the row that was changed, removed or
inserted. docs/decisions/0013-seal-and-verify.md says what that promises and what it does not.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from pydantic import AwareDatetime

from audit.digest import digest_of
from audit.rows import EXPIRES_AT, SEAL, stamp
from models.model import Model
from models.seal import Seal, SealInput


class SealLink(Model):
    """A reference to a seal: its key in the trail, and the digest that it must have."""

    operation_id: str
    event_key: str
    digest: str
    number: int
    expires_at: int | None = None
    """Seconds since 1970 after which DynamoDB may delete the seal; None means never."""


class CoveredRow(NamedTuple):
    """A row as it was when it was sealed."""

    event_key: str
    digest: str
    expires_at: int | None


class SealRow(Model):
    """A seal in the trail."""

    operation_id: str
    event_key: str
    target_arn: str
    workflow_id: str
    run_id: str
    sealed_at: AwareDatetime
    sealed_by: str
    """The activity or the command that made the seal."""
    number: int
    """1, 2, 3 … in the chain of the target."""
    previous_seal: SealLink | None = None
    covered_rows: tuple[CoveredRow, ...]
    digest: str
    """SHA-256 of the item without this field."""
    expires_at: int | None = None

    @property
    def link(self) -> SealLink:
        """The reference that the target's next seal keeps of this one."""
        return SealLink(**self.model_dump(include=set(SealLink.model_fields)))

    @property
    def seal(self) -> Seal:
        """The seal as `seal-trail` returns it."""
        return Seal(
            digest=self.digest,
            number=self.number,
            row_count=len(self.covered_rows),
            sealed_at=self.sealed_at,
            previous_digest=self.previous_seal.digest if self.previous_seal else None,
        )


def is_seal(item: dict[str, Any]) -> bool:
    """Whether an item of the trail is a seal."""
    return bool(item.get("phase") == {"S": SEAL})


def seal_key(sealed_at: datetime, run_id: str) -> str:
    """The sort key of a seal: chronological, and equal for every attempt to make the same seal."""
    return f"{stamp(sealed_at)}#{SEAL}#{run_id}"


def to_seal_item(
    seal_input: SealInput,
    run_id: str,
    sealed_by: str,
    items: Sequence[dict[str, Any]],
    previous: SealLink | None,
    retention: timedelta | None,
) -> dict[str, Any]:
    """The item of a new seal over these items.

    `previous` is the last seal of the target's chain; `retention` is how long DynamoDB keeps the seal, None for ever.
    """
    covered = sorted((item["event_key"]["S"], digest_of(item), _expiry_of(item)) for item in items)
    plain: dict[str, Any] = {
        # Without "date": the index by date does not contain the seal, so that no report shows it.
        "operation_id": seal_input.operation_id,
        "event_key": seal_key(seal_input.sealed_at, run_id),
        "phase": SEAL,
        "target_arn": seal_input.target_arn,
        "workflow_id": seal_input.workflow_id,
        "run_id": run_id,
        "sealed_at": stamp(seal_input.sealed_at),
        "sealed_by": sealed_by,
        "number": previous.number + 1 if previous else 1,
        # Compressed, because DynamoDB refuses an item of more than 400 KB: uncompressed that is 2,000 rows.
        "covered_rows": zlib.compress(json.dumps(covered, separators=(",", ":")).encode(), 9),
    }
    if previous:
        plain["previous_seal"] = previous.model_dump(exclude_none=True)
    if retention is not None:
        plain[EXPIRES_AT] = int((seal_input.sealed_at + retention).timestamp())
    item = {name: TypeSerializer().serialize(value) for name, value in plain.items()}
    return {**item, "digest": {"S": digest_of(item)}}


def from_seal_item(item: dict[str, Any]) -> SealRow | None:
    """The seal that an item holds, or None if the content does not match the digest, or is not that of a seal."""
    if item.get("digest") != {"S": digest_of({name: value for name, value in item.items() if name != "digest"})}:
        return None
    try:
        plain = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
        covered = json.loads(zlib.decompress(plain["covered_rows"].value))
        previous = plain.get("previous_seal")
        texts = ("operation_id", "event_key", "target_arn", "workflow_id", "run_id", "sealed_by", "digest")
        return SealRow(
            **{name: plain[name] for name in texts},
            sealed_at=datetime.fromisoformat(plain["sealed_at"]),
            number=int(plain["number"]),
            previous_seal=to_link(previous) if previous else None,
            covered_rows=tuple(CoveredRow(*row) for row in covered),
            expires_at=_optional_int(plain.get(EXPIRES_AT)),
        )
    except (KeyError, TypeError, AttributeError, ValueError, zlib.error):
        return None  # the digest is right, but a forger can compute a digest too


def to_link(plain: dict[str, Any]) -> SealLink:
    """The reference in a deserialized item.

    Raises `KeyError`, `TypeError` or `ValueError` if the item does not hold one.
    """
    return SealLink(
        operation_id=plain["operation_id"],
        event_key=plain["event_key"],
        digest=plain["digest"],
        number=int(plain["number"]),
        expires_at=_optional_int(plain.get(EXPIRES_AT)),
    )


def _expiry_of(item: dict[str, Any]) -> int | None:
    return int(item[EXPIRES_AT]["N"]) if EXPIRES_AT in item else None


def _optional_int(number: Any) -> int | None:
    return None if number is None else int(number)
