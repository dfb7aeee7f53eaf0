"""Whether a terminated workflow was terminated by a person, or by the reset of another run of its workflow id.

Temporal resets a run by terminating the one that is running, whichever operation that belongs to.
Source: temporalio/api, ResetWorkflowExecutionRequest; temporalio/temporal, service/history/consts, `IdentityResetter`.
"""

from __future__ import annotations

from temporalio.api.history.v1 import WorkflowExecutionTerminatedEventAttributes

from limits import MAX_QUOTED, shorten

RESETTER = "history-resetter"
"""The identity with which Temporal itself terminates a run because another one is reset."""
TERMINATED, TERMINATED_BY_RESET = "Terminated", "Terminated by a reset"
"""The short texts of both."""


def short_text(terminated: WorkflowExecutionTerminatedEventAttributes) -> str:
    """How the workflow ended, for a table."""
    return TERMINATED_BY_RESET if terminated.identity == RESETTER else TERMINATED


def describe_termination(terminated: WorkflowExecutionTerminatedEventAttributes) -> str:
    """What ended the workflow, and the reason that was given for it."""
    text = (
        "Another run of the same workflow id was reset; Temporal terminated this one for it"
        if terminated.identity == RESETTER
        else "The workflow was terminated"
    )
    return f"{text} (reason: {shorten(terminated.reason, MAX_QUOTED)})" if terminated.reason else text
