"""Five deliberate defects of the pipeline, each with the plan that shows it.

A defect is a change of the text of a copy of the pipeline, from which the worker is run; nothing but the worker is changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.pipeline import ROOT
from devstack.processes import Scratch

PIPELINE = ("activities", "audit", "clients", "models", "workflows", "errors.py", "logs.py", "settings.py", "worker.py")
"""What a worker is made of."""


@dataclass(frozen=True)
class Change:
    """A text that stands once in a file, and what stands there instead."""

    file: str
    right: str
    wrong: str


@dataclass(frozen=True)
class Defect:
    """What is wrong, the plan that shows it, and the promise that it breaks."""

    says: str
    changes: tuple[Change, ...]
    plan: str
    breaks: str


DEFECTS: dict[str, Defect] = {
    "activity-side-only": Defect(
        "the outcome's row is written by the activity's side only, and never twice",
        (
            Change(
                "audit/trail.py",
                "activity.add_done_callback(lambda ended: self._record_outcome(step, step_input, ended))",
                "del step, step_input, activity",
            ),
            Change(
                "audit/interceptor.py",
                "        return outcome.model_copy(update=_origin(time.monotonic() - started, request_ids))",
                "        answer = outcome.model_copy(update=_origin(time.monotonic() - started, request_ids))\n"
                "        if answer.done:\n"
                "            names = ('run_id', 'details', 'attempt', 'request_ids', 'resource_arns', 'facts')\n"
                "            row = trail._outcome_fields(step, step_input, answer.ended_at)\n"
                "            row |= {name: getattr(answer, name) for name in names}\n"
                "            row |= {'workflow_id': activity.info().workflow_id, 'status': Status.SUCCESS}\n"
                "            await self._record(AuditRow(**row))\n"
                "        return answer",
            ),
        ),
        "dynamodb-down@copy-snapshot",
        "trail",
    ),
    "adopts-strangers": Defect(
        "a copy of the right name is adopted without a look at what it is a copy of",
        (
            Change(
                "activities/rds/provenance.py",
                '    arn = found["DBClusterSnapshotArn"]\n    if arn ==',
                '    return None\n    arn = found["DBClusterSnapshotArn"]\n    if arn ==',
            ),
        ),
        "stranger-has-the-name@copy-snapshot",
        "ending",
    ),
    "compensation-not-shielded": Defect(
        "a cancellation ends the telling of a failure",
        (
            Change(
                "workflows/cancellation.py",
                "return await asyncio.shield(task)",
                "return await task",
            ),
        ),
        "cancelled-in-compensation@sns-notification",
        "message",
    ),
    "deletes-after-restore": Defect(
        "delete-rds deletes whatever has the target's name, also when it is tried again after the restore",
        (
            Change(
                "activities/clusters.py",
                'if cluster["DbClusterResourceId"] != of.target_resource_id:',
                "if False:",
            ),
            Change("activities/clusters.py", "if _restored_here(of, cluster):", "if False:"),
            Change("activities/clusters.py", ' and still["DbClusterResourceId"] == of.target_resource_id:', ":"),
            Change("clients/read_guard.py", "MAX_READ_AGE_SECONDS = 10.0", "MAX_READ_AGE_SECONDS = 1e9"),
        ),
        "woken-without-a-look@delete-rds",
        "effects",
    ),
    "counts-without-a-condition": Defect(
        "the number is counted and given without a condition",
        (
            Change(
                "audit/numbers.py",
                '"attribute_not_exists(#record) OR #last_number = :last_number"',
                '"attribute_not_exists(#record) OR attribute_exists(#record) OR #last_number = :last_number"',
            ),
            Change(
                "audit/numbers.py",
                '"ConditionExpression": "attribute_not_exists(#record)",',
                '"ConditionExpression": "attribute_not_exists(#record) OR attribute_exists(#record)",',
            ),
        ),
        "neighbour-at-once@open-operation",
        "numbers",
    ),
}
"""By their names."""


@contextmanager
def defective(defect: Defect) -> Iterator[Path]:
    """A folder with the pipeline and its defect; ValueError if the text that it changes is not there once."""
    with Scratch("defect") as scratch:
        for part in PIPELINE:
            source, copy = ROOT / part, scratch.path / part
            shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
        for change in defect.changes:
            path = scratch.path / change.file
            text = path.read_text("utf-8")
            if text.count(change.right) != 1:
                raise ValueError(f"{change.file} has {text.count(change.right)} times: {change.right}")
            path.write_text(text.replace(change.right, change.wrong), "utf-8")
        yield scratch.path


def broken_by(promises: tuple[str, ...]) -> set[str]:
    """The names of the promises in a night's findings."""
    return {text.removeprefix("the following night: ").partition(":")[0] for text in promises}
