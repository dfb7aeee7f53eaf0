"""`starter.py plan` under the policies: what the worker's identity may see is enough, and the operator's does not get in."""

from __future__ import annotations

from activities.preflight.plan import Plan, plan_restore
from audit.table import TrailIntents
from tests.rigs.iam.restores import PolicedNight


def plan_as(role: str, night: PolicedNight) -> Plan:
    intents = TrailIntents(night.table_as(role))
    return plan_restore(night.site.session(role), intents, night.request, night.now)


def test_the_workers_role_sees_everything_that_a_plan_needs(night: PolicedNight) -> None:
    """With accounts and regions apart: every rule is looked at and holds."""
    night.make_target()
    night.make_snapshot()
    plan = plan_as("worker", night)
    assert [finding for finding in plan.findings if finding.broken or finding.unseen] == []
    assert {"snapshot-share", "snapshot-key", "opt-in-tag", "secret", "trail"} <= {each.rule for each in plan.findings}


def test_the_operators_role_does_not_become_the_targets(night: PolicedNight) -> None:
    """Who can become the target's role can delete the target: a plan is no reason for that."""
    night.make_target()
    night.make_snapshot()
    found = {finding.rule: finding.broken for finding in plan_as("operator", night).obstacles}
    assert "AssumeRole" in str(found["snapshot"])
    assert "AssumeRole" in str(found["target-exists"])
    assert "trail" not in found
