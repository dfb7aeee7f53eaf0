"""The names under which Temporal knows the workflows: types, ids, queries, updates and signals.

They are in histories, in schedules and in the commands of the runbook: a renamed one no longer reaches a running restore.
"""

RESTORE_WORKFLOW = "AuroraRestoreWorkflow"
SUMMARY_WORKFLOW = "AuroraSummaryWorkflow"
CLEANUP_WORKFLOW = "AuroraCleanupWorkflow"
"""Has the workflow id of its target too, so that a cleanup and a restore of one target never run at the same time."""

PLAN_WORKFLOW = "AuroraPlanWorkflow"
ORPHANS_WORKFLOW = "AuroraOrphansWorkflow"
DECISION_WORKFLOW = "AuroraDecisionWorkflow"
REPAIR_WORKFLOW = "AuroraRepairWorkflow"
"""Short ones: what `plan`, `cleanup`, `retry` and `audit verify --repair` ask of a worker, which has the permissions for it."""

STATE_QUERY = "state"
DECIDE_UPDATE = "decide"
POLL_NOW_SIGNAL = "poll_now"
DUE_AT_MEMO = "due_at"
STARTED_BY_MEMO = "started_by"
"""The memo that says when a restore was due: a time in ISO 8601, or `DUE_WHEN_STARTED`."""
DUE_WHEN_STARTED = "when-started"
"""Due when Temporal accepted it, by Temporal's clock: what `starter.py start` says."""

CANONICAL_ID_PREFIX = "aurora-restore:"
"""Begins the one workflow id of each target: aurora-restore:ACCOUNT:REGION:CLUSTER."""
SCHEDULE_ID_PREFIX = "aurora-restore-"
"""Begins the default id of a schedule: aurora-restore-CLUSTER."""
SUMMARY_ID_PREFIX = "aurora-restore-summary-"
"""Begins the id of the schedule of a fleet's summary, and of the workflows that it starts."""
SCHEDULED_ID_PREFIX = "aurora-restore-nightly-"
"""Begins the workflow id of a run that a schedule starts: …ACCOUNT:REGION:CLUSTER, to which Temporal appends the time."""
SCHEDULED_DRILL_ID_PREFIX = f"{SCHEDULED_ID_PREFIX}drill-"
"""The same for a drill: a target's restore and its drill may be due at the same time."""
FLEET_MEMO = "fleet"
"""The memo of a scheduled run that names the fleet which declares its schedule."""
WORKER_CALL_ID_PREFIX = "aurora-restore-call-"
"""Begins the workflow id of what a command asks of a worker; the verb, the cluster and a random part follow."""
