"""Runs the questions and collects their outcomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from conformance.account import Account
from conformance.anonymiser import Json
from conformance.questions import NothingToAsk, Outcome, Question, ReadQuestion, Verdict, compare

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


def ask_questions(
    account: Account, questions: Sequence[ReadQuestion], report: Callable[[Outcome], None]
) -> list[Outcome]:
    """The outcome of each question, in their order; each is reported as soon as it is known."""
    outcomes = []
    for question in questions:
        outcome = _ask(account, question)
        report(outcome)
        outcomes.append(outcome)
    return outcomes


def _ask(account: Account, question: ReadQuestion) -> Outcome:
    try:
        answer = question.ask(account)
    except NothingToAsk as nothing:
        return Outcome(question, Verdict.NOTHING_TO_ASK, (str(nothing),))
    except (BotoCoreError, ClientError) as error:
        return Outcome(question, Verdict.FAILED, (account.anonymiser.clean(str(error)),))
    return denial(question, answer) or compare(question, account.anonymiser.clean_all(answer))


def denial(question: Question, answer: Json) -> Outcome | None:
    """The outcome of a question that the caller may not ask, if the answer is such a refusal: it says nothing about the claim."""
    if isinstance(answer, dict) and answer.get("code") in DENIED:
        return Outcome(question, Verdict.FAILED, (str(answer["text"]),))
    return None


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 if every answer is as claimed, 1 if one differs, else 2 if a question could not be asked."""
    verdicts = {outcome.verdict for outcome in outcomes}
    return 1 if Verdict.DIFFERENT in verdicts else 2 if Verdict.FAILED in verdicts else 0


def count_verdicts(outcomes: Sequence[Outcome]) -> dict[Verdict, int]:
    """How many questions came to each verdict, in the order of the verdicts."""
    return {verdict: sum(outcome.verdict is verdict for outcome in outcomes) for verdict in Verdict}
