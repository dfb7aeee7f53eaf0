"""Runs the steps of a run with --write, compares its answers, and removes what it has made, whatever happens."""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from conformance.check import denial
from conformance.life import Life, TookTooLong
from conformance.life_changes import copy_snapshot, delete_everything, read_events, rename, restore, stop_and_start
from conformance.life_creation import create_cluster, create_instance, manage_password, protect, take_snapshot
from conformance.life_questions import LIFE_QUESTIONS
from conformance.own_resources import NotOwn, OwnResource
from conformance.questions import Outcome, Verdict, compare
from conformance.removal import is_of_run, remove
from errors import StaleRead

STEPS: tuple[Callable[[Life], None], ...] = (
    create_cluster, create_instance, protect, manage_password, take_snapshot, restore, copy_snapshot, rename, stop_and_start,
    read_events, delete_everything,
)  # fmt: skip


def run_life(life: Life) -> list[Outcome]:
    """Every step, and the outcome of each question; a step that fails leaves the later questions without an answer."""
    reason = "A later step was to answer this."
    try:
        for step in STEPS:
            step(life)
    except (BotoCoreError, ClientError, NotOwn, StaleRead, TookTooLong) as error:
        reason = f"The run ended in {step.__name__}: {life.account.anonymiser.clean(str(error))}"
    return [_outcome(life, name, reason) for name in LIFE_QUESTIONS]


def _outcome(life: Life, name: str, reason: str) -> Outcome:
    question = LIFE_QUESTIONS[name]
    if name in life.answers:
        return denial(question, life.answers[name]) or compare(question, life.answers[name])
    if name in life.nothing_to_ask:
        return Outcome(question, Verdict.NOTHING_TO_ASK, (life.nothing_to_ask[name],))
    return Outcome(question, Verdict.FAILED, (reason,))


def remove_run(life: Life) -> list[OwnResource]:
    """Remove what the run has made; returns what is left."""
    regions = [life.own] if life.target is life.own else [life.own, life.target]
    return remove(regions, is_of_run(life.run), life.pace)
