"""Five deliberate defects of the pipeline, each with the plan that shows it.

The worker runs from a copy of the pipeline in which a defect changes the text of some files; everything else of the
campaign is unchanged.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.pipeline import ROOT
from devstack.processes import Scratch
from tests.chaos.campaign import NEXT_RESTORE

_SHIPPED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
PIPELINE = (
    *sorted({package.partition(".")[0] for package in _SHIPPED["packages"]} - {"devstack"}),
    *(f"{module}.py" for module in _SHIPPED["py-modules"]),
)
"""Everything that is shipped and that a worker may import."""


@dataclass(frozen=True)
class Change:
    """A text that occurs once in a file, and its replacement."""

    file: str
    right: str
    wrong: str


@dataclass(frozen=True)
class Defect:
    """What is wrong, the plan that shows it, and the promise that it breaks."""

    description: str
    changes: tuple[Change, ...]
    plan: str
    breaks: str
    """The name of the promise."""


DEFECTS: dict[str, Defect] = {
    "activity-side-only": Defect(
        "only the activity side writes a step's outcome, and it makes one attempt",
        (
            Change(
                "audit/trail.py",
                "activity.add_done_callback(lambda ended: self._record_outcome(step, step_input, ended))",
                "del step, step_input, activity",
            ),
            Change(
                "audit/interceptor.py",
                "        return outcome.model_copy(update=_origin(outcome, clock.monotonic() - started, request_ids))",
                "        answer = outcome.model_copy(update=_origin(outcome, clock.monotonic() - started, request_ids))\n"
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
    "skips-provenance": Defect(
        "copy-snapshot adopts a snapshot of the copy's name without checking its source",
        (
            Change(
                "activities/rds/provenance.py",
                '    arn = actual["DBClusterSnapshotArn"]\n    if arn ==',
                '    return None\n    arn = actual["DBClusterSnapshotArn"]\n    if arn ==',
            ),
        ),
        "provenance-mismatch@copy-snapshot",
        "outcome",
    ),
    "compensation-not-shielded": Defect(
        "a cancellation ends the notification of a failure",
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
        "delete-rds deletes any cluster of the target's name, also in an attempt after the restore",
        (
            Change(
                "activities/clusters/replacement.py",
                "        check_not_restored_since(cluster, target.operation_tag, step_input.operation_started_at)\n"
                '        check_resource_id(cluster, step_input.target_resource_id, "as seen by snapshot-check")\n',
                "",
            ),
            Change(
                "activities/clusters/replacement.py",
                'if cluster["DbClusterResourceId"] == step_input.target_resource_id:',
                "if True:",
            ),
            Change("clients/read_guard.py", "MAX_READ_AGE_SECONDS = 10.0", "MAX_READ_AGE_SECONDS = 1e9"),
        ),
        "resumed-in-a-read@delete-rds",
        "effects",
    ),
    "counts-without-a-condition": Defect(
        "a number is allocated without the condition that it is unused",
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
        "concurrent-operation@open-operation",
        "numbers",
    ),
}
"""The defects by their names."""


@contextmanager
def defective_copy(defect: Defect) -> Iterator[Path]:
    """A folder with a copy of the pipeline that has the defect.

    Raises ValueError if a text that the defect replaces does not occur exactly once.
    """
    with Scratch("defect") as scratch:
        for part in PIPELINE:
            source, copy = ROOT / part, scratch.path / part
            shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
        for change in defect.changes:
            path = scratch.path / change.file
            text = path.read_text("utf-8")
            if text.count(change.right) != 1:
                raise ValueError(f"{change.file} contains this text {text.count(change.right)} times: {change.right}")
            path.write_text(text.replace(change.right, change.wrong), "utf-8")
        yield scratch.path


def broken_names(broken: tuple[str, ...]) -> set[str]:
    """The names of the promises that a result lists as broken."""
    return {text.removeprefix(NEXT_RESTORE).partition(":")[0] for text in broken}
