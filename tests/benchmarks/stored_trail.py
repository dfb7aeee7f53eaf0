"""A trail of many operations behind DynamoDB's protocol, which answers at once: what a command needs is its own time.

With moto a measurement would be of moto, whose queries take longer than any command. This answers only the calls that read
the trail. Source: DynamoDB API Reference, Query and GetItem; a page has at most 1 MB of items.
"""

from __future__ import annotations

import base64
import json
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from audit.activities import SEAL_TRAIL
from audit.chain import head_record
from audit.rows import AuditRow, Phase, stamp, to_item
from audit.seal_rows import SealRow, from_seal_item, to_seal_item
from models.seal import SealInput
from models.steps import STEPS, Replacement, Status

TARGETS = 200
ROWS_PER_PAGE = 1_100
"""About 1 MB, at 0.9 KB a row."""
_OPERATION, _DAY, _TARGET = "op-001", "2024-03-20", "orders-000"
Item = dict[str, Any]


class StoredTrail:
    """The two tables: each target has an operation a day of nine steps, begun and ended, with two seals."""

    def __init__(self, operations: int) -> None:
        self.by_operation: dict[str, list[Item]] = {}
        self.by_date: dict[str, list[Item]] = defaultdict(list)
        self.records: dict[str, Item] = {"counter": {"last_number": {"N": str(operations)}, "linked_since": {"N": "1"}}}
        self.reads = 0
        self._heads: dict[str, SealRow] = {}
        template, now = json.dumps([to_item(row) for row in _rows()]), datetime.now(UTC)
        for number in range(1, operations + 1):
            day = now - timedelta(days=1 + (operations - number) // TARGETS)
            self._add(template, f"op-{number:03d}", f"{day:%Y-%m-%d}", f"orders-{number % TARGETS:03d}")

    def _add(self, template: str, operation_id: str, day: str, target: str) -> None:
        text = template.replace(_OPERATION, operation_id).replace(_DAY, day).replace(_TARGET, target)
        items: list[Item] = json.loads(text)
        self.by_date[day] += items
        arn, began = f"arn:aws:rds:eu-central-1:111122223333:cluster:{target}", datetime.fromisoformat(f"{day}T00:05Z")
        for minutes in (70, 90):
            sealed = SealInput(
                operation_id=operation_id,
                target_arn=arn,
                workflow_id=target,
                sealed_at=began + timedelta(minutes=minutes),
            )
            head = self._heads.get(arn)
            item = to_seal_item(sealed, "run", SEAL_TRAIL, items, head.link if head else None, None)
            seal = from_seal_item(item)
            assert seal is not None
            self._heads[arn] = seal
            item["covered_rows"] = {"B": _base64(item["covered_rows"]["B"])}
            items = [*items, item]
        self.by_operation[operation_id] = sorted(items, key=lambda item: str(item["event_key"]["S"]))
        link = self._heads[arn].link.model_dump(exclude_none=True)
        self.records[head_record(arn)] = {
            name: {"N" if name == "number" else "S": str(value)} for name, value in link.items()
        }
        texts = {"workflow_id": target, "first_run_id": "run", "target_arn": arn, "opened_at": stamp(began)}
        self.records[operation_id] = {name: {"S": text} for name, text in texts.items()}

    def answer(self, call: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to GetItem or Query."""
        self.reads += 1
        if call == "GetItem":
            record = self.records.get(request["Key"]["record"]["S"])
            return {"Item": record} if record else {}
        values = request["ExpressionAttributeValues"]
        if "IndexName" in request:
            items = self.by_date[values[":date"]["S"]]
        else:
            items = self.by_operation.get(values[":operation"]["S"], [])
        if ":key" in values:
            items = [item for item in items if item["event_key"] == values[":key"]]
        return _page(items, request)


def _page(items: list[Item], request: dict[str, Any]) -> dict[str, Any]:
    begin = int(request.get("ExclusiveStartKey", {}).get("position", {}).get("N", 0))
    names = {
        request["ExpressionAttributeNames"][name]
        for name in request.get("ProjectionExpression", "").split(", ")
        if name
    }
    page = items[begin : begin + ROWS_PER_PAGE]
    if names:
        page = [{name: value for name, value in item.items() if name in names} for item in page]
    answer: dict[str, Any] = {"Items": page, "Count": len(page)}
    end = begin + len(page)
    return answer if end >= len(items) else {**answer, "LastEvaluatedKey": {"position": {"N": str(end)}}}


def _rows() -> list[AuditRow]:
    began = datetime.fromisoformat(f"{_DAY}T00:05Z")
    rows = []
    for step in STEPS[Replacement.DELETE_FIRST]:
        at = began + timedelta(minutes=7 * step.number)
        for phase, status, minutes in ((Phase.STARTED, Status.IN_PROGRESS, 0), (Phase.OUTCOME, Status.SUCCESS, 6)):
            rows.append(
                AuditRow(
                    operation_id=_OPERATION,
                    step=step,
                    phase=phase,
                    status=status,
                    details=f"Found snapshot: daily-backup-{_DAY}",
                    step_started_at=at,
                    timestamp=at + timedelta(minutes=minutes),
                    duration_seconds=60.0 * minutes,
                    workflow_id=f"aurora-restore:111122223333:eu-central-1:{_TARGET}",
                    run_id="0190e8b0-0000-7000-8000-000000000001",
                    request_ids=("0190e8b0-0000-7000-8000-000000000002",),
                    resource_arns=(f"arn:aws:rds:eu-central-1:111122223333:cluster:{_TARGET}",),
                )
            )
    return rows


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def serve(trail: StoredTrail) -> ThreadingHTTPServer:
    """An HTTP server for the trail; `GET /reads` returns how many calls it has answered."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._send({"reads": trail.reads})

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(trail.answer(self.headers["X-Amz-Target"].rpartition(".")[2], request))

        def _send(self, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("x-amzn-RequestId", "r-1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


if __name__ == "__main__":
    server = serve(StoredTrail(int(sys.argv[1])))
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
