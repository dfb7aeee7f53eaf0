"""How an answer is compared with a claim, and that what is reported is bounded."""

from __future__ import annotations

import pytest

from conformance.anonymiser import Json
from conformance.expectations import MAX_SHOWN, Contains, Expectation, Members, Only, Order, Refusal, Value
from conformance.life_questions import LIFE_QUESTIONS
from conformance.questions import Outcome, Question, Verdict, compare
from conformance.read_questions import READ_QUESTIONS
from conformance.report import MAX_NOTE, Report

RENAME = Order(("available", "renaming", "available"), frozenset({"renaming"}))
DELETION = Order(("available", "deleting", "gone"), frozenset({"available"}))
MEMBERS = Members(frozenset({"Status", "Engine"}), frozenset({"KmsKeyId"}))
SAME: list[tuple[Expectation, Json]] = [
    (Value(0), 0),
    (Value({"Status": "creating", "Tags": None}), {"Status": "creating"}),
    (Refusal("A", 404, "t"), {"code": "A", "HTTP status": 404, "text": "t"}),
    (RENAME, ["available", "renaming", "available"]),
    (RENAME, ["available"]),
    (DELETION, ["deleting", "gone"]),
    (DELETION, ["available", "deleting", "gone"]),
    (MEMBERS, [["Status", "Engine"], ["Status", "Engine", "KmsKeyId"]]),
    (Contains(frozenset({"a"})), ["a", "b"]),
    (Only(frozenset({"a", "b"})), ["a"]),
]
DIFFERENT: list[tuple[Expectation, Json, list[str]]] = [
    (Value(0), 1, ["AWS says 1, expected 0"]),
    (Value({"Status": "creating"}), {"Status": "available"}, ["Status: AWS says available, expected creating"]),
    (Value([]), ["a", "b"], ["AWS says a, b, expected none"]),
    (Value({"Encrypted": True}), {"Encrypted": False}, ["Encrypted: AWS says false, expected true"]),
    (Value(None), 1, ["AWS says 1, expected null"]),
    (Refusal("A", 404, "t"), {"code": "B", "HTTP status": 404, "text": "u"},
     ["code: AWS says B, expected A", "text: AWS says u, expected t"]),
    (RENAME, ["available", "modifying", "available"],
     ["AWS goes available → modifying → available, expected available → (renaming) → available"]),
    (RENAME, ["renaming", "available"],
     ["AWS goes renaming → available, expected available → (renaming) → available"]),
    (RENAME, [], ["AWS goes nowhere, expected available → (renaming) → available"]),
    (DELETION, ["available", "gone"], ["AWS goes available → gone, expected (available) → deleting → gone"]),
    (DELETION, ["deleting", "gone", "available"],
     ["AWS goes deleting → gone → available, expected (available) → deleting → gone"]),
    (MEMBERS, [["Status", "Engine", "Colour"], ["Engine"]], ["AWS leaves out Status", "AWS also has Colour"]),
    (Contains(frozenset({"a", "c"})), ["a", "b"], ["AWS has no c; it has a, b"]),
    (Only(frozenset({"a"})), ["a", "b"], ["AWS has b, expected only a"]),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "answer"), SAME)
def test_an_answer_as_claimed_has_no_difference(expected: Expectation, answer: Json) -> None:
    """A brief status may be missed, a member that some resources have may be there or not."""
    assert expected.differences(answer) == []


@pytest.mark.parametrize(("expected", "answer", "differences"), DIFFERENT)
def test_each_difference_is_a_sentence(expected: Expectation, answer: Json, differences: list[str]) -> None:
    """With what AWS says and what was expected; code, status and text of a refusal each by itself."""
    assert expected.differences(answer) == differences


def test_a_report_is_bounded() -> None:
    """Whatever AWS answers: a text without an end, a thousand members, a line break in a Markdown list."""
    hostile = [
        compare(Question("text", "?", Value("t"), "-"), "# x\n" * 10_000),
        compare(Question("members", "?", Members(frozenset()), "-"), [[f"Member{number}" for number in range(10_000)]]),
        Outcome(Question("failed", "?", Value(0), "-"), Verdict.FAILED, ("<name-1> " + "x" * 100_000,)),
    ]
    page = Report(hostile, "eu-west-1", None, writes=False, day="2026-11-27").as_markdown()
    assert len(page) < 3 * (MAX_NOTE + MAX_SHOWN)
    assert "\n# x" not in page
    assert r"- failed: \<name-1> x" in page
    assert "and 9970 more" in page


def test_every_question_has_a_name_and_a_claim() -> None:
    """Names are unique in kebab case; what is asked and the source are sentences' parts, the claim is not empty."""
    questions = [*READ_QUESTIONS, *LIFE_QUESTIONS.values()]
    names = [question.name for question in questions]
    assert len(set(names)) == len(names)
    for question in questions:
        assert question.name == question.name.lower().replace("_", "-")
        assert question.about
        assert question.source
        assert question.expected.claim()
