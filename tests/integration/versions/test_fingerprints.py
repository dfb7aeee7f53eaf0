"""An edit that breaks the replay of running restores fails here before it is deployed: it changes a fingerprint."""

from __future__ import annotations

import difflib

import pytest

from models.steps import STEPS, Replacement, Step
from models.workflow_names import RESTORE_WORKFLOW
from registrations import WORKFLOWS
from tests.integration.versions.fingerprints import ROOTS, TRAIL, committed_fingerprints, fingerprint
from tests.integration.versions.workflow_sources import read_source

MODULE = "workflows.aurora_restore"
WHAT_TO_DO = """
The commands of {name} are not those in tests/histories/fingerprints.json:

{difference}

When a worker continues a running restore, Temporal replays its history and compares these commands with it. A restore
that started on the old commands and runs when this is deployed is stuck with a nondeterminism error.
Do one of two:

- Keep the old commands for restores that started on them:
  if workflow.patched("what-is-new"): <the new> else: <the old>
- Or deploy this as a new version of a Worker Deployment, on which no restore of the old version ever continues.

docs/upgrading.md describes both. Then run `make fingerprints`, and commit tests/histories/fingerprints.json with the
change. If no worker with the old commands was ever deployed, only `make fingerprints` and `make histories` remain.
"""


def difference(before: list[str], after: list[str]) -> str:
    """A diff of two fingerprints, without its header, at most 60 lines."""
    lines = list(difflib.unified_diff(before, after, lineterm="", n=2))[2:]
    return "\n".join(lines[:60] + (["…"] if len(lines) > 60 else []))


def committed() -> list[str]:
    """The committed fingerprint of the restore workflow."""
    return committed_fingerprints()[RESTORE_WORKFLOW]


def edited(old: str, new: str, module: str = MODULE) -> list[str]:
    """The fingerprint of the restore workflow after an edit of its source."""
    text = read_source(module)
    assert text.count(old) >= 1, f"{module} no longer has {old!r}; this test needs another edit"
    return fingerprint(RESTORE_WORKFLOW, {module: text.replace(old, new)})


@pytest.mark.parametrize("name", ROOTS)
def test_the_commands_are_the_committed_ones(name: str) -> None:
    """A change of the commands is a decision about running restores, and is committed with the change."""
    before, after = committed_fingerprints().get(name, []), fingerprint(name)
    assert before == after, WHAT_TO_DO.format(name=name, difference=difference(before, after))


def test_every_workflow_of_the_worker_has_a_fingerprint() -> None:
    """And so has what the interceptor does in all of them."""
    assert {workflow.__name__ for workflow in WORKFLOWS} < set(ROOTS)
    assert set(committed_fingerprints()) == set(ROOTS)


@pytest.mark.parametrize("name", ROOTS)
def test_every_activity_is_named(name: str) -> None:
    """Where it is called, or where it is given to what calls it: an exchange of activities would change nothing else."""
    lines = [line.strip() for line in fingerprint(name)]
    assert "activity as given" not in lines or any(line.startswith("given ") for line in lines)


def test_it_lists_the_nine_steps_in_order() -> None:
    """The fingerprint of a restore reads as the runbook does: in the order of a swap too, if each of its branches deletes."""
    # Deeper lines are those of an operator's wait, in which a notification is sent.
    lines = [line for line in fingerprint(RESTORE_WORKFLOW) if line.startswith(("given ", "  given "))]
    steps = [line.split()[-1] for line in lines if line.split()[-1] in set(Step)]
    first, *_, last = (at for at, step in enumerate(steps) if step == Step.DELETE_RDS)
    in_order = [step for step in steps[:first] + steps[first + 1 : last] if step != Step.REMOVE_DRILL]
    assert in_order == list(STEPS[Replacement.SWAP])
    each_once = list(dict.fromkeys(steps))
    assert [step for step in each_once if step in STEPS[Replacement.DELETE_FIRST]] == list(
        STEPS[Replacement.DELETE_FIRST]
    )
    assert [step for step in each_once if step in STEPS[Replacement.DRILL]] == list(STEPS[Replacement.DRILL])


def test_words_do_not_change_it() -> None:
    """Docstrings, comments and the names of variables and functions are not part of a history."""
    assert edited('"""Run one restore', '"""Run a restore') == committed()
    assert edited("        checked = await", "        # The newest.\n        checked = await") == committed()
    assert edited("restored = await self._runner.poll(", "again = await self._runner.poll(") == committed()
    assert edited("_delete_rds", "_remove_target") == committed()


SUCCEED = "        runner.progress.succeed()"


@pytest.mark.parametrize(
    ("added", "line"),
    [
        ("await workflow.sleep(60)", "+timer"),
        ("await runner.seal(request, TRAIL_CALL)", "+activity seal-trail"),
        ("workflow.upsert_search_attributes([])", "+search attributes"),
    ],
)
def test_an_added_command_changes_it(added: str, line: str) -> None:
    """Be it a timer, an activity or a search attribute."""
    assert line in difference(committed(), edited(SUCCEED, f"        {added}\n{SUCCEED}"))


def test_a_command_in_a_constructor_changes_it() -> None:
    """Constructors are followed; a call that issues no command changes nothing."""
    docstring = '"""The restore begins."""'
    module = "workflows.progress"
    assert edited(docstring, f"{docstring}\n        self._update()", module) == committed()
    with_command = edited(docstring, f"{docstring}\n        workflow.upsert_search_attributes([])", module)
    assert "+search attributes" in difference(committed(), with_command)


def test_a_removed_command_changes_it() -> None:
    """Here the wait for the trail, in a function that the workflow calls."""
    assert "-wait" in difference(committed(), edited("        await trail.wait_until_written()\n", ""))


RESTORE = "        resource_id = await runner.run_step(self._restore_snapshot, restore_request, checked, copy)\n"
CHECK = "        restored = await runner.run_step(self._check_restore_status, restore_request, checked, resource_id)\n"
ARCHIVE = "        await runner.run_step(self._archive_snapshot, request, checked, copy, resource_id)\n"


def test_another_order_changes_it() -> None:
    """Two steps are exchanged."""
    assert edited(RESTORE + CHECK, CHECK + RESTORE) != committed()


def test_a_new_condition_changes_it() -> None:
    """A command that comes to depend on patched(), which is part of the history itself."""
    guarded = edited(ARCHIVE, f'        if workflow.patched("no-archive"):\n    {ARCHIVE}')
    assert {"+patched no-archive", "+if"} <= set(difference(committed(), guarded).splitlines())


def test_a_failure_says_what_to_do() -> None:
    """To a reader who does not know what determinism is."""
    text = WHAT_TO_DO.format(name=RESTORE_WORKFLOW, difference=difference(["activity a"], ["timer", "activity a"]))
    for words in ("+timer", "workflow.patched(", "Worker Deployment", "docs/upgrading.md", "make fingerprints"):
        assert words in text


def test_the_interceptors_commands_are_followed() -> None:
    """The rows of the trail are commands of every workflow, issued where a step ends."""
    assert any("local activity record-outcome" in line for line in fingerprint(TRAIL))
