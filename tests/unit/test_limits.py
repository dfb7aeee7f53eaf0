"""Whatever comes from an input, AWS or a database is cut before Temporal, DynamoDB or SNS refuse it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pymysql
import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultPayloadConverter

import limits
from clients.data_converter import BoundedFailureConverter
from errors import DatabaseUnreachable, Fault, PipelineError, StepFailed, fault_of
from models.request_file import UnreadableRequest, read_request
from models.request_json import NotARequest, parse_request
from models.step_call import StepOutcome
from tests.rigs.requests import request_json

LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    ("text", "kept"),
    [("short", "short"), ("x" * 50, "x" * 50), ("x" * 51, "x" * 28 + "… [cut, 51 characters]")],
)
def test_a_text_is_cut_to_its_limit_and_says_so(text: str, kept: str) -> None:
    """The note counts too, so that a text that was cut is not cut again."""
    assert limits.shorten(text, 50) == kept
    assert limits.shorten(limits.shorten(text, 50), 50) == limits.shorten(text, 50)
    assert len(limits.shorten(text, 50)) <= 50


def test_bytes_are_cut_between_characters() -> None:
    """SNS counts bytes."""
    assert limits.shorten_utf8("äöü", 5) == "äö"


@pytest.mark.parametrize("text", ["abc", '"' * 50, "\x01" * 50, "\\" * 50, "ä\n" * 50])
def test_a_text_inside_json_is_cut_between_its_characters(text: str) -> None:
    """Where JSON writes two or six bytes for one, too; as much as fits is kept."""
    cut = limits.shorten_in_json(text, 40)
    assert text.startswith(cut)
    assert len(json.dumps(cut, ensure_ascii=False).encode()) in ((5,) if text == "abc" else range(35, 41))


def test_lines_and_names_say_how_many_are_left_out() -> None:
    """What the caller has left out before counts as well."""
    assert limits.first_and_more(["a", "b", "c"], 3) == ("a", "b", "c")
    assert limits.first_and_more(["a", "b", "c"], 2, more=7) == ("a", "b", "and 8 more")
    assert limits.join_names(["ada", "grace"], 100) == "ada, grace"
    assert limits.join_names(["ada", "grace"], 23, more=2) == "ada, and 3 more"
    assert len(limits.join_names(["x" * 63] * 10_000, 4_000)) <= 4_000


@pytest.mark.parametrize(
    ("error", "most"),
    [
        (StepFailed, limits.MAX_SHORT + limits.MAX_MESSAGE),
        (DatabaseUnreachable, limits.MAX_SHORT + limits.MAX_TRANSIENT_MESSAGE),
    ],
)
def test_a_failure_has_a_limit_also_with_more_text(error: type[PipelineError], most: int) -> None:
    """The text that is added last is kept: it has what the step has done."""
    failed = error(LONG, LONG).with_more("Logins locked so far: ada.")
    assert len(failed.message) <= most + 2
    assert failed.message.endswith("Logins locked so far: ada.")
    assert len(json.dumps(failed.details)) <= most + 500


def test_a_fault_that_was_not_ours_has_a_limit() -> None:
    """Temporal's own failures and those of a defect become faults, too."""
    assert len(Fault(type="ValueError", short="Unexpected error", message=LONG).message) == limits.MAX_MESSAGE


def test_a_failure_that_reaches_temporal_has_a_limit() -> None:
    """A defect's text, its causes and its stack trace: Temporal would refuse the failure, and nothing would end."""
    error: Exception = ValueError(LONG)
    for _ in range(50):
        outer = RuntimeError(LONG)
        outer.__cause__ = error
        error = outer
    failure = Failure()
    BoundedFailureConverter().to_failure(error, DefaultPayloadConverter(), failure)
    assert failure.ByteSize() <= (limits.MAX_CAUSES + 1) * (limits.MAX_MESSAGE + limits.MAX_STACK_TRACE + 1_000)


@pytest.mark.parametrize("driver_error", [psycopg.DataError, pymysql.DataError])
def test_the_text_of_a_driver_never_reaches_temporal_or_the_trail(driver_error: Callable[[str], Exception]) -> None:
    """It may quote a statement or data. Every activity translates it; this is for the defect of one that does not."""
    escaped = RuntimeError("a defect")
    escaped.__cause__ = driver_error("ada@example.com")
    failure = Failure()
    BoundedFailureConverter().to_failure(escaped, DefaultPayloadConverter(), failure)
    assert failure.cause.message == "DataError"
    assert "ada@example.com" not in str(failure)
    assert fault_of(driver_error("ada@example.com")).message == "DataError"


def test_an_outcome_has_limits() -> None:
    """Each part of it, with what is left out."""
    outcome = StepOutcome(
        details=LONG,
        warnings=(LONG,) * 60,
        resource_arns=("arn",) * 1_100,
        facts={str(number): LONG for number in range(300)},
    ).shortened()
    assert len(outcome.details) == limits.MAX_DETAILS
    assert outcome.warnings[-1] == "and 11 more"
    assert [len(outcome.warnings), len(outcome.resource_arns), len(outcome.facts)] == [51, 1_000, 200]
    assert {len(fact) for fact in outcome.facts.values()} == {limits.MAX_FACT}
    assert len(outcome.model_dump_json()) < 1_000_000


def _wrong_fields(text: str) -> str:
    fields = ",".join(f'"field{number}": 1' for number in range(1_000))
    return f"{text[:-1]}, {fields}}}"


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (_wrong_fields, "and 950 more"),
        (lambda text: text + " " * limits.MAX_REQUEST_BYTES, "restore request has at most 524,288"),
        (lambda text: f'{text[:-1]}, "x": [{"1," * 10_000}1]}}', "restore request has at most 10,000"),
        (
            lambda text: text.replace('"cluster"', '"cluster": "a", "cluster"', 1),
            "cluster: is given twice in one object",
        ),
        (lambda text: f'{text[:-1]}, "{LONG[:200_000]}": 1}}', "[cut, 200000 characters]: unknown field"),
    ],
    ids=["1,000 fields", "bytes", "values", "twice", "long name"],
)
def test_the_refusal_of_a_request_has_a_limit(change: Callable[[str], str], refusal: str) -> None:
    """Whether it comes from Temporal or from a file."""
    with pytest.raises(NotARequest) as refused:
        parse_request(change(json.dumps(request_json())))
    assert refusal in str(refused.value)
    assert len(str(refused.value)) < limits.MAX_MESSAGE


def test_marks_inside_texts_are_no_values() -> None:
    """A query may have more commas than a request may have values."""
    check = {"database": "orders", "query": '"' + r"[{,\"" * 1_900, "expected": [[1]]}
    assert parse_request(json.dumps(request_json(checks=[check] * 3))).checks


def test_a_file_with_a_field_twice_is_refused(tmp_path: Path) -> None:
    """As TOML has it; of JSON's two values, Python would take the last."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request_json()).replace('"cluster"', '"cluster": "a", "cluster"', 1))
    with pytest.raises(UnreadableRequest, match="cluster: is given twice"):
        read_request(path)
