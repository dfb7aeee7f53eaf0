"""The scenarios that show which permissions the roles need, each with the accounts that it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.rigs.iam import other_calls, unfinished_restores, whole_restores
from tests.rigs.iam.deployments import Deployment

SCENARIOS: Mapping[str, tuple[str, Callable[[Deployment], Any]]] = {
    "two restores in a row": ("separate_accounts", whole_restores.run_two_restores),
    "a drill": ("separate_accounts", whole_restores.run_a_drill),
    "a rich target": ("separate_accounts", whole_restores.restore_a_rich_target),
    "a restore in one account and region": ("one_account", whole_restores.run_one_restore),
    "the first restore": ("separate_accounts", whole_restores.run_first_restore),
    "a trail without links": ("separate_accounts", unfinished_restores.search_a_trail_without_links),
    "responses are lost": ("separate_accounts", whole_restores.lose_responses),
    "a copy failed": ("separate_accounts", unfinished_restores.replace_failed_copy),
    "the target is refused": ("separate_accounts", unfinished_restores.refuse_target),
    "prerequisites are missing": ("separate_accounts", unfinished_restores.refuse_missing_prerequisites),
    "the owner deletes the target": ("separate_accounts", unfinished_restores.delete_target_concurrently),
    "a copy is cancelled": ("separate_accounts", unfinished_restores.cancel_copy),
    "leftovers are removed": ("separate_accounts", unfinished_restores.remove_leftovers),
    "orphans are removed": ("separate_accounts", unfinished_restores.remove_orphans),
    "a snapshot by age or name": ("separate_accounts", unfinished_restores.select_snapshot_by_age_or_name),
    "the operator's verbs": ("separate_accounts", other_calls.run_the_operators_verbs),
    "the operator's verbs in one account": ("one_account", other_calls.run_the_operators_verbs),
    "events are read": ("separate_accounts", other_calls.read_events),
    "the longest name": ("separate_accounts", whole_restores.restore_a_long_name),
}
"""By name: the fixture of the deployment, and the function that runs the scenario."""
