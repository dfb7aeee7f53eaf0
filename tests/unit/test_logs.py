"""Each attempt of an activity is one JSON line whose keys name the operation, the step and the attempt."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pymysql
import pytest
import structlog
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from errors import StepFailed
from logs import LogInterceptor, configure_logs
from settings import LogFormat

BOUND = {"operation": "op-001", "target": "orders-staging", "step": "copy-snapshot", "attempt": 2}


class _Activity(ActivityInboundInterceptor):
    """Ends the chain of interceptors with a plain function."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return self._function()


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged, as JSON; afterwards logging is as it was."""
    root, buffer = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", buffer)
    monkeypatch.setattr(root, "handlers", root.handlers)
    for logger in (root, *map(logging.getLogger, ("botocore", "boto3", "urllib3", "psycopg", "temporalio.activity"))):
        monkeypatch.setattr(logger, "level", logger.level)
    configure_logs(LogFormat.JSON, "INFO")
    yield buffer
    structlog.reset_defaults()


def run(function: Callable[[], Any], **options: bool) -> None:
    """Run an attempt of copy-snapshot, of operation op-001."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, activity_type="copy-snapshot", attempt=2)
    target = SimpleNamespace(cluster="orders-staging")
    step_input = SimpleNamespace(args=[SimpleNamespace(operation_id="op-001", target=target)])
    inbound = LogInterceptor(**options).intercept_activity(_Activity(function))

    async def execute() -> Any:
        return await inbound.execute_activity(cast("ExecuteActivityInput", step_input))

    asyncio.run(environment.run(execute))


def logged(stderr: io.StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in stderr.getvalue().splitlines()]
    assert all(BOUND.items() <= line.items() for line in lines), "a line without operation, target, step or attempt"
    return lines


def test_a_successful_attempt_is_one_line(stderr: io.StringIO) -> None:
    """With the outcome's details and whether the step is done."""
    run(lambda: SimpleNamespace(details="Started copy to target region", done=True))
    [line] = logged(stderr)
    assert (line["event"], line["level"]) == ("attempt done", "info")
    assert (line["details"], line["done"]) == ("Started copy to target region", True)


def test_an_attempt_without_an_outcome_has_no_empty_keys(stderr: io.StringIO) -> None:
    """Nor does botocore say for each client where it found credentials."""

    def find_credentials() -> None:
        logging.getLogger("botocore.credentials").info("Found credentials in environment variables.")

    run(find_credentials)
    [line] = logged(stderr)
    assert line.keys().isdisjoint({"details", "done"})


def test_a_failed_attempt_is_one_line_without_a_traceback(stderr: io.StringIO) -> None:
    """With the error's type and message."""

    def fail() -> None:
        raise StepFailed("Invalid snapshot ID", "The snapshot does not exist.")

    with pytest.raises(StepFailed):
        run(fail)
    [line] = logged(stderr)
    assert (line["event"], line["level"], line["error_type"]) == ("attempt failed", "warning", "StepFailed")
    assert line["message"] == "Invalid snapshot ID: The snapshot does not exist."
    assert "exception" not in line


def test_a_defect_is_logged_with_its_traceback(stderr: io.StringIO) -> None:
    """A developer needs it."""

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail)
    [line] = logged(stderr)
    assert line["event"] == "attempt failed unexpectedly"
    assert "ZeroDivisionError" in line["exception"]


def test_what_an_activity_logs_itself_carries_the_same_keys(stderr: io.StringIO) -> None:
    """Also through the standard library, as botocore logs."""

    def log_and_return() -> None:
        structlog.stdlib.get_logger("rds").warning("copy quota reached", running=5)
        logging.getLogger("botocore").warning("retrying")

    run(log_and_return)
    assert [line["event"] for line in logged(stderr)] == ["copy quota reached", "retrying", "attempt done"]


@pytest.mark.parametrize("log_sql_errors", [False, True])
def test_a_servers_text_is_logged_only_if_the_settings_say_so(stderr: io.StringIO, log_sql_errors: bool) -> None:
    """It may quote data."""

    def fail() -> None:
        raise StepFailed("Check failed", "PostgreSQL answered 22P02", server_text='for integer: "ada@example.com"')

    with pytest.raises(StepFailed):
        run(fail, log_sql_errors=log_sql_errors)
    [line] = logged(stderr)
    assert ("ada@example.com" in line.get("server_text", "")) is log_sql_errors
    assert ("ada@example.com" in stderr.getvalue()) is log_sql_errors


@pytest.mark.parametrize("driver_error", [psycopg.DataError, pymysql.DataError])
def test_the_text_of_a_driver_that_escapes_is_not_logged(
    stderr: io.StringIO, driver_error: Callable[[str], Exception]
) -> None:
    """Nor as what caused another error: its frames are enough for a developer."""

    def fail() -> None:
        try:
            raise driver_error("ada@example.com")
        except (psycopg.Error, pymysql.MySQLError) as error:
            raise RuntimeError("a defect") from error

    with pytest.raises(RuntimeError):
        run(fail)
    assert "ada@example.com" not in stderr.getvalue()
    assert "in fail" in stderr.getvalue()


def test_no_local_variable_is_shown_on_a_terminal(stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Structlog shows them if rich is installed, and a local variable may be a password."""
    monkeypatch.setattr(sys, "stderr", stderr)
    configure_logs(LogFormat.CONSOLE, "INFO")

    def fail() -> None:
        password = "hunter2-secret".upper()
        raise ValueError(len(password))

    with pytest.raises(ValueError):
        run(fail)
    assert "HUNTER2-SECRET" not in stderr.getvalue()
    assert "ValueError: 14" in stderr.getvalue()


def test_a_terminal_that_wants_no_colour_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR, as https://no-color.org describes it."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for no_colour, is_coloured in (("", True), ("1", False)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        monkeypatch.setenv("NO_COLOR", no_colour)
        configure_logs(LogFormat.AUTO, "info")
        logging.getLogger("worker").warning("restored")
        assert ("restored" in terminal.getvalue(), "\x1b[" in terminal.getvalue()) == (True, is_coloured)
    structlog.reset_defaults()
