"""The evidence of one operation as a page, and the folder with its three files."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from reports import evidence_verifier
from reports.evidence import Evidence, to_document
from reports.operation_page import with_objective
from reports.rendering import render
from reports.tables import Column, Table, make_table
from reports.times import UNKNOWN, format_time

JSON_FILE, HTML_FILE, VERIFIER = "evidence.json", "evidence.html", "verify.py"


class EvidencePage(NamedTuple):
    """Everything that the template shows."""

    title: str
    outcome: str
    words: str
    made_at: str
    trail: str
    facts: list[tuple[str, str]]
    gaps: list[str]
    not_in_trail: list[str]
    decisions: Table
    steps: Table
    checks: Table
    chain_head: str
    seals: Table


def write_evidence(evidence: Evidence, folder: Path) -> dict[str, Any]:
    """Write the three files into a folder, which is made if it is missing; return what evidence.json holds.

    Raises `OSError`.
    """
    document = to_document(evidence)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="ascii")
    (folder / HTML_FILE).write_text(render("evidence.html", make_evidence_page(evidence, document)), encoding="utf-8")
    shutil.copyfile(evidence_verifier.__file__, folder / VERIFIER)
    return document


def make_evidence_page(evidence: Evidence, document: dict[str, Any]) -> EvidencePage:
    """What the template shows of the evidence and of its document."""
    operation, restore = evidence.operation, document["restore"]
    objectives, drill = evidence.objectives, operation.summary.drill
    return EvidencePage(
        title=f"Evidence of {operation.operation_id}",
        outcome=operation.outcome.value,
        words=operation.summary.words,
        made_at=format_time(evidence.made_at),
        trail=evidence.trail,
        facts=[
            ("Target", operation.target_arn),
            ("Source", operation.source_arn or UNKNOWN),
            ("Snapshot", operation.snapshot_arn or UNKNOWN),
            ("Snapshot taken", format_time(operation.snapshot_created_at)),
            ("Began", format_time(operation.began_at)),
            *([("Drill", f"{drill}, restored beside the target, which was not touched")] if drill else []),
            ("Users could log in" if drill else "Handed over", format_time(operation.ready_at)),
            ("Restore time (RTO)", with_objective(operation.restore_time, objectives.rto)),
            ("Age of the data (RPO)", with_objective(operation.data_age, objectives.rpo)),
            ("Started by", restore["started_by"] or "not known"),
            ("Workflow", restore["workflow_id"]),
            ("Runs", ", ".join(restore["run_ids"])),
        ],
        gaps=document["gaps"],
        not_in_trail=document["not_in_trail"],
        decisions=_decisions(document),
        steps=_steps(document),
        checks=_checks(document),
        chain_head=_describe_head(document),
        seals=_seals(document),
    )


def _decisions(document: dict[str, Any]) -> Table:
    columns = (Column("Step"), Column("At", "time"), Column("Decision"), Column("By"), Column("Reason"))
    rows = [
        [
            each["step"],
            _short(each["decided_at"]),
            each["decision"],
            each["by"] or UNKNOWN,
            each["reason"] or "none given",
        ]
        for each in document["decisions"]
    ]
    return make_table("Decisions of operators", columns, rows)


def _steps(document: dict[str, Any]) -> Table:
    columns = (
        Column("Step"),
        Column("Began", "time"),
        Column("Ended", "time"),
        Column("Status"),
        Column("Details"),
        Column("Attempts", "number"),
        Column("Failed attempts", "number"),
        Column("Request ids of AWS", code=True),
    )
    rows = [
        [
            each["step"],
            _short(each["began_at"]),
            _short(each["ended_at"]) if each["ended_at"] else UNKNOWN,
            each["status"],
            each["details"],
            str(each["attempts"] or UNKNOWN),
            str(len(each["failed_attempts"]) or ""),
            " ".join(each["request_ids"]),
        ]
        for each in document["steps"]
    ]
    return make_table("Every run of a step, with AWS's request ids of the calls that changed something", columns, rows)


def _checks(document: dict[str, Any]) -> Table:
    columns = (Column("Step"), Column("Check"), Column("Expected"), Column("Actual"), Column("Met"))
    rows = [
        [each["step"], check["check"], check["expected"], check["actual"], "yes" if check["met"] else "no"]
        for each in document["steps"]
        for check in each["checks"]
    ]
    return make_table(
        "The checks of each step, also those that it could not make, and each setting that it compared",
        columns,
        rows,
    )


def _describe_head(document: dict[str, Any]) -> str:
    """The last seal of the target when the evidence was made."""
    head = document["chain_head"]
    return f"number {head['number']}, of {head['operation_id']}: {head['digest']}" if head else "not known"


def _seals(document: dict[str, Any]) -> Table:
    columns = (Column("Seal of the target", "number"), Column("Sealed", "time"), Column("Items", "number"))
    rows = [
        [str(each["number"]), _short(each["sealed_at"]), str(each["row_count"]), each["digest"]]
        for each in document["seals"]
    ]
    return make_table(
        "The seals of this operation in the chain of its target",
        (*columns, Column("Digest (SHA-256)", code=True)),
        rows,
    )


def _short(stamped: str) -> str:
    """A time of evidence.json as the rest of the page writes times: to the second."""
    return format_time(datetime.fromisoformat(stamped))
