"""What the page shows of one operation: its facts, its Gantt, and the table behind it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

from audit.time_spent import Gap
from models.cures import cure_known_from_trail
from models.steps import Outcome, Step
from reports.charts import MAX_RUNS, draw_gantt
from reports.measure_charts import Chart
from reports.measures import Objectives
from reports.operations import ReportedOperation, StepRun
from reports.tables import Column, make_table
from reports.times import UNKNOWN, format_span, format_time

MAX_CHANGES = 10
"""Of AWS, of one step, that the table lists."""
COLUMNS = (
    Column("Step"),
    Column("Began", "time"),
    Column("Ended", "time"),
    Column("Took", "number"),
    Column("Status"),
    Column("Details"),
    Column("Failed attempts", "number"),
    Column("AWS took"),
)


class WebUi(NamedTuple):
    """Where Temporal's Web UI is."""

    base_url: str
    namespace: str

    def link(self, operation: ReportedOperation) -> str:
        """The page of the operation's newest run."""
        names = [quote(name, safe="") for name in (self.namespace, operation.opened.workflow_id, operation.run_id)]
        return f"{self.base_url.rstrip('/')}/namespaces/{names[0]}/workflows/{names[1]}/{names[2]}/history"


class OperationSection(NamedTuple):
    """One operation on the page."""

    operation_id: str
    anchor: str
    target: str
    outcome: str
    words: str
    """The outcome, and that it is a drill's."""
    facts: Sequence[tuple[str, str]]
    web_ui: str | None
    gantt: Chart


def operation_section(
    number: int,
    operation: ReportedOperation,
    label: str,
    objectives: Objectives,
    now: datetime,
    web_ui: WebUi | None,
) -> OperationSection:
    """The section of an operation; `number` is its place on the page."""
    title = f"Steps of {operation.operation_id}"
    events = [
        *((run.started_at, run.step.number, _run_row(run)) for run in operation.runs),
        *((gap.started_at, len(Step) + 1, _gap_row(gap)) for gap in operation.gaps),
        *(
            (each.at, len(Step) + 2, [each.step.value, format_time(each.at), "", "", "decision", each.text, "", ""])
            for each in operation.decisions
        ),
    ]
    rows = [row for _, _, row in sorted(events, key=lambda event: event[:2])]
    more = len(operation.runs) + len(operation.gaps) - MAX_RUNS
    return OperationSection(
        operation_id=operation.operation_id,
        anchor=anchor_of(operation),
        target=label,
        outcome=operation.outcome.value,
        words=operation.summary.words,
        facts=_facts(operation, objectives, now),
        web_ui=web_ui.link(operation) if web_ui else None,
        gantt=Chart(
            anchor=f"gantt-{number}",
            title=title,
            svg=draw_gantt(f"gantt-{number}", _describe(operation), operation, now),
            caption="× marks an attempt that failed and was repeated; dotted bars are waits for an operator"
            + (
                ", and the time for which the old cluster was kept."
                if any(gap.is_keeping_old for gap in operation.gaps)
                else "."
            )
            + (f" And {more} more runs, in the table." if more > 0 else ""),
            table=make_table(title, COLUMNS, rows),
        ),
    )


def anchor_of(operation: ReportedOperation) -> str:
    """The id of the operation's section in the page."""
    return f"operation-{operation.operation_id}"


def _describe(operation: ReportedOperation) -> str:
    """The Gantt in a sentence."""
    steps = len(operation.runs)
    return f"Gantt chart of {operation.operation_id}: {steps} runs of steps; it {operation.outcome} at {operation.summary.step}"


def _facts(operation: ReportedOperation, objectives: Objectives, now: datetime) -> list[tuple[str, str]]:
    """Names and values, without what is not known and matters only if it is."""
    summary = operation.summary
    worked = sum((run.duration for run in operation.runs if run.duration is not None), timedelta())
    kept = [gap for gap in operation.gaps if gap.is_keeping_old]
    waited = sum((gap.duration for gap in operation.gaps if not gap.is_keeping_old), timedelta())
    facts = [
        ("Target", operation.target_arn),
        ("Restored from", operation.snapshot_arn or UNKNOWN),
        ("Snapshot taken", format_time(operation.snapshot_created_at)),
        ("Began", format_time(operation.began_at)),
    ]
    if summary.drill is not None:
        facts.append(("Drill", f"{summary.drill} was restored beside the target, which was not touched"))
    if operation.ready_at is not None:
        facts.append(("Users could log in" if operation.is_drill else "Handed over", format_time(operation.ready_at)))
        facts.append(("Restore time (RTO)", with_objective(operation.restore_time, objectives.rto)))
        facts.append(("Age of the data (RPO)", with_objective(operation.data_age, objectives.rpo)))
    elif operation.outcome is Outcome.RUNNING:
        facts.append(("Running for", f"{format_span(now - operation.began_at)}, at {summary.step}"))
    else:
        facts.append(("Ended", f"{format_time(summary.at)}, at {summary.step}: {summary.details}"))
    if waited:
        facts.append(("Worked", format_span(worked)))
        facts.append(("Waited for an operator", format_span(waited)))
    if kept:
        facts.append(("Old cluster kept until", f"{format_time(kept[-1].ended_at)}, {format_span(kept[-1].duration)}"))
    if operation.outcome in (Outcome.FAILED, Outcome.CANCELLED):
        facts.append(("Continue with", cure_known_from_trail(operation.operation_id, summary.step, summary.details)))
    return facts


def with_objective(measured: timedelta | None, objective: timedelta | None) -> str:
    """A measured duration, and whether it met its objective."""
    if measured is None or objective is None:
        return format_span(measured)
    verdict = "met" if measured <= objective else "missed"
    return f"{format_span(measured)}; objective {format_span(objective)} {verdict}"


def _run_row(run: StepRun) -> list[str]:
    changes = [f"{name} {format_span(span)}" for name, span in run.changes[:MAX_CHANGES]]
    details = run.details
    if run.fault is not None and run.fault.message and run.fault.message != details:
        details = f"{details} ({run.fault.code or run.fault.type}): {run.fault.message}"
    return [
        run.step.value,
        format_time(run.started_at),
        format_time(run.ended_at) if run.ended_at else "",
        format_span(run.duration) if run.duration is not None else "",
        run.status.value,
        details,
        str(len(run.failed_at) or ""),
        ", ".join(changes),
    ]


def _gap_row(gap: Gap) -> list[str]:
    times = [format_time(gap.started_at), format_time(gap.ended_at), format_span(gap.duration)]
    what, why = ("keeping", "the old cluster") if gap.is_keeping_old else ("waiting", "for an operator")
    return [what, *times, "", why, "", ""]
