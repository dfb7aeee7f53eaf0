"""plan-restore: what a restore would do if it began now, found out under the identity that would run it."""

from __future__ import annotations

from pathlib import Path

from activities.preflight.plan import plan_restore
from activities.step import Intents, named_activity
from clients.aws import AwsClients
from models.plan import Plan, PlanInput

PLAN_RESTORE = "plan-restore"


class PlanActivities:
    """Makes plans."""

    def __init__(self, aws: AwsClients, intents: Intents, sql_directory: Path | None = None) -> None:
        """`intents` is the trail, which a plan only reads; `sql_directory` has the operator's SQL files."""
        self._aws = aws
        self._intents = intents
        self._sql_directory = sql_directory

    @named_activity(PLAN_RESTORE)
    def plan_restore(self, plan_input: PlanInput) -> Plan:
        """Run every check of the preflight and say what each step would do; change nothing.

        Raises `AwsUnavailable` if AWS does not answer: there is no half plan.
        Run twice: only reads.
        """
        return plan_restore(self._aws, self._intents, plan_input.request, plan_input.at, self._sql_directory)
