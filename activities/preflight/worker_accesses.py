"""What a restore will ask of IAM under the worker's own identity. accesses.py has what the target's role will ask.

Source: Service Authorization Reference, the page of DynamoDB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from activities.preflight.access import Access
from models.identifiers import partition
from models.trail_tables import TrailTables

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient


def worker_accesses(tables: TrailTables, own: STSClient) -> Iterator[Access]:
    """What the worker calls under its own identity: the trail. The preflight assumes the roles and reads the rows.

    `own` has the worker's credentials, and so knows the account of the tables.
    """
    account_id = own.get_caller_identity()["Account"]
    statements = ("WriteAndReadTheTrail", "AllocateOperationNumbers")
    for name, statement in zip(tables.names, statements, strict=True):
        arn = f"arn:{partition(tables.region)}:dynamodb:{tables.region}:{account_id}:table/{name}"
        yield Access("dynamodb:PutItem", arn, statement)
