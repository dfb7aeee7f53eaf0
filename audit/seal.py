"""Seals: a digest over all rows of an operation and over the target's previous seal, so that no row changes unnoticed.

A seal is a row of the trail itself. It keeps the digest of each row that it covers, so that the first one that was
changed, removed or inserted can be named. The seals of a target are a chain, whose head stands in the operations table
and moves in the transaction that writes the seal. What that promises and what not: docs/decisions/0013-seal-and-verify.md.
Source: DynamoDB Developer Guide, "Amazon DynamoDB Transactions".
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import AwareDatetime
from temporalio import activity

from audit.rows import SEAL, stamp
from audit.table import EXPIRES_AT, AuditTable
from errors import TrailUnavailable
from models.model import Model
from models.seal import Seal, SealInput

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SEAL_TRAIL = "seal-trail"
MAX_CONFLICTS = 20
"""How many times in a row another seal of the target may come first, before Temporal tries again later."""


class Link(Model):
    """Where a seal stands and what its digest must be."""

    operation_id: str
    event_key: str
    digest: str
    number: int
    expires_at: int | None = None
    """Seconds since 1970 after which DynamoDB may delete it; None means never."""


class Covered(NamedTuple):
    """A row as it was when it was sealed."""

    event_key: str
    digest: str
    expires_at: int | None


class SealRow(Model):
    """A seal as it stands in the trail."""

    operation_id: str
    event_key: str
    target: str
    workflow_id: str
    run_id: str
    sealed_at: AwareDatetime
    sealed_by: str
    number: int
    previous: Link | None = None
    covered: tuple[Covered, ...]
    digest: str
    expires_at: int | None = None

    @property
    def link(self) -> Link:
        """How the next seal of the target refers to this one."""
        return Link(**self.model_dump(include=set(Link.model_fields)))

    @property
    def seal(self) -> Seal:
        """What everybody else is told of it."""
        return Seal(
            digest=self.digest,
            number=self.number,
            row_count=len(self.covered),
            sealed_at=self.sealed_at,
            previous_digest=self.previous.digest if self.previous else None,
        )


def canonical(item: dict[str, Any]) -> bytes:
    """An item of the table as bytes that are the same for the same content: DynamoDB's typed JSON, sorted, without spaces."""
    return json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_as_base64).encode()


def digest_of(item: dict[str, Any]) -> str:
    """SHA-256 of an item's canonical form, as hexadecimal."""
    return hashlib.sha256(canonical(item)).hexdigest()


def is_seal(item: dict[str, Any]) -> bool:
    """Whether an item of the trail is a seal."""
    return bool(item.get("phase") == {"S": SEAL})


def seal_key(sealed_at: datetime, run_id: str) -> str:
    """The sort key: chronological, and the same however often the same seal is made."""
    return f"{stamp(sealed_at)}#{SEAL}#{run_id}"


def from_seal_item(item: dict[str, Any]) -> SealRow | None:
    """The seal that an item holds, or None if its content is not what its digest says."""
    sealed = {name: value for name, value in item.items() if name != "digest"}
    if item.get("digest") != {"S": digest_of(sealed)}:
        return None
    try:
        plain = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
        covered = json.loads(zlib.decompress(plain["covered"].value))
        previous = plain.get("previous")
        return SealRow(
            **{name: plain[name] for name in ("operation_id", "event_key", "target", "workflow_id", "run_id")},
            sealed_at=datetime.fromisoformat(plain["sealed_at"]),
            sealed_by=plain["sealed_by"],
            number=int(plain["number"]),
            previous=_link(previous) if previous else None,
            covered=tuple(Covered(*row) for row in covered),
            digest=plain["digest"],
            expires_at=_whole(plain.get(EXPIRES_AT)),
        )
    except (KeyError, TypeError, AttributeError, ValueError, zlib.error):
        return None  # somebody who can compute a digest wrote something that is no seal


class Seals:
    """The chains of seals, one for each target."""

    def __init__(
        self, dynamodb: DynamoDBClient, audit_table: str, operations_table: str, retention: timedelta | None = None
    ) -> None:
        """`retention` is how long DynamoDB keeps a seal; None means for ever."""
        self._dynamodb = dynamodb
        self._trail = AuditTable(dynamodb, audit_table)
        self._audit_table = audit_table
        self._operations_table = operations_table
        self._retention = retention

    def seal(self, seal_input: SealInput, run_id: str, sealed_by: str = SEAL_TRAIL) -> Seal:
        """Seal what the trail holds of the operation; a seal of this time and run that is there already is the answer.

        Raises `TrailUnavailable` (transient) if DynamoDB does not answer.
        """
        try:
            for _ in range(MAX_CONFLICTS):
                head = self._head(seal_input.target_arn)
                items = self._trail.items(seal_input.operation_id)
                there = next(
                    (item for item in items if item["event_key"]["S"] == seal_key(seal_input.sealed_at, run_id)), None
                )
                made = (from_seal_item(there) if there else None) or self._append(
                    seal_input, run_id, sealed_by, items, head
                )
                if made is not None:
                    return made.seal
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        raise TrailUnavailable(
            "Audit trail unavailable", f"{MAX_CONFLICTS} times another seal of {seal_input.target_arn} came first."
        )

    def head(self, target: str) -> Link | None:
        """The target's last seal, if there is one.

        Raises `TrailUnavailable`.
        """
        try:
            return self._head(target)
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error

    def at(self, link: Link) -> dict[str, Any] | None:
        """The item at a seal's place, whatever it holds.

        Raises `TrailUnavailable`.
        """
        return self._trail.item(link.operation_id, link.event_key)

    def _head(self, target: str) -> Link | None:
        key = {"record": {"S": _head_record(target)}}
        item = self._dynamodb.get_item(TableName=self._operations_table, Key=key, ConsistentRead=True).get("Item")
        return _link({name: TypeDeserializer().deserialize(value) for name, value in item.items()}) if item else None

    def _append(
        self, seal_input: SealInput, run_id: str, sealed_by: str, items: list[dict[str, Any]], head: Link | None
    ) -> SealRow | None:
        """Seal's row and head in one transaction; None if another seal of the target was faster."""
        item = self._item(seal_input, run_id, sealed_by, items, head)
        row = from_seal_item(item)
        if row is None:
            raise RuntimeError("a seal that was just made does not read as one")
        puts: Any = [
            {
                "TableName": self._audit_table,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(event_key)",
            },
            {
                "TableName": self._operations_table,
                "Item": {"record": {"S": _head_record(seal_input.target_arn)}, **_serialised(row.link)},
                **_still(head),
            },
        ]
        try:
            self._dynamodb.transact_write_items(TransactItems=[{"Put": put} for put in puts])
        except ClientError as error:
            if error.response["Error"]["Code"] in ("TransactionCanceledException", "TransactionConflictException"):
                return None
            raise
        return row

    def _item(
        self, seal_input: SealInput, run_id: str, sealed_by: str, items: list[dict[str, Any]], head: Link | None
    ) -> dict[str, Any]:
        covered = sorted((item["event_key"]["S"], digest_of(item), _expiry(item)) for item in items)
        plain: dict[str, Any] = {
            # No "date": what has none is not in the index, so that no report of days shows a seal.
            "operation_id": seal_input.operation_id,
            "event_key": seal_key(seal_input.sealed_at, run_id),
            "phase": SEAL,
            "target": seal_input.target_arn,
            "workflow_id": seal_input.workflow_id,
            "run_id": run_id,
            "sealed_at": stamp(seal_input.sealed_at),
            "sealed_by": sealed_by,
            "number": head.number + 1 if head else 1,
            # Compressed: DynamoDB refuses an item of more than 400 KB, which plain would be 2,000 rows.
            "covered": zlib.compress(json.dumps(covered, separators=(",", ":")).encode(), 9),
        }
        if head:
            plain["previous"] = head.model_dump(exclude_none=True)
        if self._retention is not None:
            plain[EXPIRES_AT] = int((seal_input.sealed_at + self._retention).timestamp())
        item = {name: TypeSerializer().serialize(value) for name, value in plain.items()}
        return {**item, "digest": {"S": digest_of(item)}}

    def _unavailable(self, error: ClientError | BotoCoreError) -> TrailUnavailable:
        return TrailUnavailable(
            "Audit trail unavailable",
            f"DynamoDB tables {self._audit_table} and {self._operations_table}: {error}. See the tables, their region and "
            "the permissions. If they were never made: python starter.py setup",
            code=error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__,
        )


class SealActivities:
    """Seals the trail for the workflow."""

    def __init__(self, seals: Seals) -> None:
        """`seals` are the chains in the two tables."""
        self._seals = seals

    # A cancellation never interrupts the thread: it could land between the transaction and its answer.
    @activity.defn(name=SEAL_TRAIL, no_thread_cancel_exception=True)
    def seal_trail(self, seal_input: SealInput) -> Seal:
        """Seal every row that the trail holds of the operation so far, and the target's previous seal.

        Run twice: the same seal, because its key is made of the operation, the time in the input and the run.
        """
        return self._seals.seal(seal_input, activity.info().workflow_run_id or "")


def _head_record(target: str) -> str:
    return f"seal#{target}"


def _still(head: Link | None) -> dict[str, Any]:
    """The condition that nobody has moved the head."""
    if head is None:
        return {
            "ConditionExpression": "attribute_not_exists(#record)",
            "ExpressionAttributeNames": {"#record": "record"},
        }
    return {
        "ConditionExpression": "#digest = :digest",
        "ExpressionAttributeNames": {"#digest": "digest"},
        "ExpressionAttributeValues": {":digest": {"S": head.digest}},
    }


def _serialised(link: Link) -> dict[str, Any]:
    return {name: TypeSerializer().serialize(value) for name, value in link.model_dump(exclude_none=True).items()}


def _link(plain: dict[str, Any]) -> Link:
    return Link(
        operation_id=plain["operation_id"],
        event_key=plain["event_key"],
        digest=plain["digest"],
        number=int(plain["number"]),
        expires_at=_whole(plain.get(EXPIRES_AT)),
    )


def _expiry(item: dict[str, Any]) -> int | None:
    return int(item[EXPIRES_AT]["N"]) if EXPIRES_AT in item else None


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)


def _as_base64(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is nothing that DynamoDB stores")
    return base64.b64encode(value).decode()
