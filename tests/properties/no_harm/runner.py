"""Runs one scenario and checks every invariant on what took effect."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clients.aws import AwsClients
from clients.region_lists import RegionLists
from tests.properties.no_harm.in_process_aws import Effect, InProcessAws
from tests.properties.no_harm.invariants import INVARIANTS, Facts, had_failed, only_orphans_are_cleaned_up
from tests.properties.no_harm.scenario import Scenario, describe_differences
from tests.properties.no_harm.scenario_run import ScenarioRun
from tests.properties.no_harm.scenario_setup import ScenarioSetup


class BrokenInvariant(AssertionError):
    """The restore did harm, or reported something that was not true."""


def run_scenario(aws: InProcessAws, clients: AwsClients, scenario: Scenario) -> ScenarioRun:
    """Run a scenario. Raises `BrokenInvariant` with the effect, the scenario and all effects."""
    setup = ScenarioSetup(aws, scenario)
    try:
        clients.lists = RegionLists()  # a worker that has just started has listed nothing
        run = ScenarioRun(setup, clients)
        with pytest.MonkeyPatch.context() as patch:
            run.install(patch)
            run.run()
        check_invariants(run)
        return run
    except BrokenInvariant as broken:
        effects = "\n".join(map(str, aws.effects))
        differences = describe_differences(Scenario(), scenario)
        raise BrokenInvariant(f"{broken}\n\nThe scenario:\n{differences}\n\nWhat took effect:\n{effects}") from None
    finally:
        aws.end()


def check_invariants(run: ScenarioRun) -> None:
    """Raise `BrokenInvariant` for the first effect that breaks an invariant, or for a report that was not true."""
    by_restore = [effect for effect in run.setup.aws.effects if effect.step != "remove-orphans"]
    by_cleanup = [effect for effect in run.setup.aws.effects if effect.step == "remove-orphans"]
    for effect in by_cleanup:
        if wrong := only_orphans_are_cleaned_up(effect, run.setup.request):
            raise BrokenInvariant(f"only_orphans_are_cleaned_up: {effect}: {wrong}")
    if run.wrongly_reported_removed:
        raise BrokenInvariant(f"{', '.join(run.wrongly_reported_removed)} was reported as removed, but exists")
    if (facts := _facts(run)) is not None:
        _check_restore(run, by_restore, facts)
    elif by_restore:
        raise BrokenInvariant(f"{by_restore[0]}, although snapshot-check never succeeded")


def _facts(run: ScenarioRun) -> Facts | None:
    """What is known once snapshot-check has succeeded; None before."""
    checked, setup = run.checked, run.setup
    if checked is None:
        return None
    ids = {setup.resources.source_resource_id, checked.source_resource_id, checked.snapshot.cluster_resource_id}
    return Facts(
        request=setup.request,
        checked=checked,
        source_resource_ids=frozenset(filter(None, ids)),
        restored_ids=frozenset(),
        users_are_set=run.users_are_set,
        copy_needed=setup.request.copy_needed,
        copy_name=setup.copy_name,
    )


def _check_restore(run: ScenarioRun, effects: list[Effect], facts: Facts) -> None:
    for effect in effects:
        for invariant in INVARIANTS:
            if wrong := invariant(effect, facts):
                raise BrokenInvariant(f"{invariant.__name__}: {effect}: {wrong}")
        if effect.restored_id:
            facts = replace(facts, restored_ids=facts.restored_ids | {effect.restored_id})
    _check_counts(run)
    if facts.checked.target_resource_id in run.clusters_after_deletion:
        raise BrokenInvariant("delete-rds reported the target as gone, but it exists")


def _check_counts(run: ScenarioRun) -> None:
    """One copy and one restore, and one more for each that failed, was removed, or that the actor took away."""
    effects = run.setup.aws.effects
    copies = [effect for effect in effects if effect.operation == "CopyDBClusterSnapshot"]
    removed_copies = [effect for effect in effects if _removes_copy(effect)]
    restores = [effect for effect in effects if effect.restored_id]
    removed_targets = [
        effect
        for effect in effects
        if effect.operation == "DeleteDBCluster"
        and effect.step in ("remove-leftovers", "remove-drill", "remove-orphans")
    ]
    if len(copies) > 1 + len(removed_copies) + run.actor.copies_removed:
        raise BrokenInvariant(f"one copy: {len(copies)} were made")
    if len(restores) > 1 + len(removed_targets) + run.actor.target_names_freed:
        raise BrokenInvariant(f"one restore: {len(restores)} were made")


def _removes_copy(effect: Effect) -> bool:
    if effect.operation != "DeleteDBClusterSnapshot":
        return False
    return had_failed(effect) or effect.step in ("remove-leftovers", "remove-orphans")
