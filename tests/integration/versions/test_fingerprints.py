"""An edit that breaks the replay of running nights is seen before it is deployed: by the order of commands in the source."""

from __future__ import annotations

import difflib

import pytest

from models.workflow_names import RESTORE_WORKFLOW
from tests.integration.versions.fingerprints import ROOTS, committed, fingerprints, source

WORKFLOW = "workflows.aurora_restore"
WHAT_TO_DO = """
The commands of {name} are not those that were committed:

{difference}

Temporal replays a night from its history whenever a worker takes it up, and compares these commands with it. A night
that is running when this is deployed was begun by the commands before: it gets stuck with a nondeterminism error.
Do one of two:

- Keep the old commands for nights that began before:
  if workflow.patched("what-is-new"): <the new> else: <the old>
- Or deploy this as a new version of a Worker Deployment, on which no night of the old one ever goes on.

docs/upgrading.md has both. Then `make fingerprints`, and commit tests/histories/fingerprints.json with the change.
If no worker with the old commands was ever deployed, that is all there is to do, and `make histories`.
"""


def difference(before: list[str], after: list[str]) -> str:
    """As in a review: what went with a minus, what came with a plus."""
    lines = list(difflib.unified_diff(before, after, lineterm="", n=2))[2:]
    return "\n".join(lines[:60] + (["…"] if len(lines) > 60 else []))


@pytest.mark.parametrize("name", ROOTS)
def test_commands_are_those_that_were_committed(name: str) -> None:
    """A change of them is a decision, and says what becomes of running nights."""
    before, after = committed().get(name, []), fingerprints()[name]
    assert before == after, WHAT_TO_DO.format(name=name, difference=difference(before, after))


def test_every_workflow_of_the_worker_has_a_fingerprint() -> None:
    """And so has what the interceptor does in all of them."""
    import worker

    assert {workflow.__name__ for workflow in worker.WORKFLOWS} < set(ROOTS)
    assert set(committed()) == set(ROOTS)


def test_the_nine_steps_are_in_it_in_order() -> None:
    """The fingerprint of a night reads as the runbook does."""
    from models.steps import Step

    given = [line.split()[-1] for line in fingerprints()[RESTORE_WORKFLOW] if line.startswith("given ")]
    steps = [step for step in given if step in set(Step)]
    assert list(dict.fromkeys(steps)) == list(Step)


def edited(old: str, new: str, module: str = WORKFLOW) -> list[str]:
    """The fingerprint of a night after an edit of the source."""
    text = source(module)
    assert text.count(old) >= 1, f"{module} has no {old!r} any more; this test needs another edit"
    return fingerprints({module: text.replace(old, new)})[RESTORE_WORKFLOW]


def test_words_are_free() -> None:
    """A docstring, a comment, a variable's and a function's name are not what a history tells of."""
    before = committed()[RESTORE_WORKFLOW]
    assert edited('"""Run one restore', '"""Run a restore') == before
    assert edited("        checked = await", "        # The newest.\n        checked = await") == before
    assert edited("restored = await self._runner.call(", "again = await self._runner.call(") == before
    assert edited("_delete_rds", "_remove_target") == before


def test_an_added_command_shows() -> None:
    """A timer, an activity or a search attribute more."""
    before = committed()[RESTORE_WORKFLOW]
    timer = edited(
        "        runner.progress.succeed()", "        await workflow.sleep(60)\n        runner.progress.succeed()"
    )
    assert difference(before, timer).count("+timer") == 1
    seal = edited(
        "        runner.progress.succeed()",
        "        await runner.seal(request, TRAIL_CALL)\n        runner.progress.succeed()",
    )
    assert "+activity seal-trail" in difference(before, seal)
    shown = edited(
        '"""The restore begins."""', '"""The restore begins."""\n        self._update()', "workflows.progress"
    )
    assert shown == before
    stage = '"""The restore begins."""\n        workflow.upsert_search_attributes([])'
    assert "+search attributes" in difference(before, edited('"""The restore begins."""', stage, "workflows.progress"))


def test_a_removed_command_shows() -> None:
    """A wait for the trail less, in a function that the workflow calls."""
    before = committed()[RESTORE_WORKFLOW]
    assert "-wait" in difference(before, edited("        await trail.wait_until_written()\n", ""))


def test_another_order_shows() -> None:
    """Two steps that change places."""
    users = "        await runner.run_step(self._setup_db_users, request, restored, endpoint)\n"
    archive = "        await runner.run_step(self._archive_snapshot, request, checked, copy)\n"
    assert edited(users + archive, archive + users) != committed()[RESTORE_WORKFLOW]


def test_a_command_that_comes_to_depend_on_something_shows() -> None:
    """Also by patched(), which stands in the history itself."""
    step = "        await runner.run_step(self._archive_snapshot, request, checked, copy)\n"
    guarded = edited(step, f'        if workflow.patched("no-archive"):\n    {step}')
    assert {"+patched no-archive", "+if"} <= set(difference(committed()[RESTORE_WORKFLOW], guarded).splitlines())


def test_the_sentence_says_what_happened_and_what_to_do() -> None:
    """Whoever reads it has never heard of determinism."""
    told = WHAT_TO_DO.format(name=RESTORE_WORKFLOW, difference=difference(["activity a"], ["timer", "activity a"]))
    assert "+timer" in told
    for word in ("workflow.patched(", "Worker Deployment", "docs/upgrading.md", "make fingerprints"):
        assert word in told


def test_the_interceptors_commands_are_followed() -> None:
    """The rows of the trail are commands of every workflow, given where a step ends."""
    assert any("local activity record-outcome" in line for line in fingerprints()["the trail, in every workflow"])
