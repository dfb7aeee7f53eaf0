"""Wrong settings are sentences: which variable, and what is expected of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

import worker
from commands.own_task_queue import SETTINGS, own_task_queue
from models.identifiers import EnvironmentName, environment_of_table
from models.request import RestoreRequest
from models.text_forms import EXPECTED
from settings import PREFIX, Settings, TrailSettings, WrongSettings, list_of_worker_only, load_settings

PLANTED = "hunter2 planted!"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The settings of a worker without TLS, and nothing else."""
    monkeypatch.setenv(f"{PREFIX}AUDIT_REGION", "eu-central-1")
    monkeypatch.setenv(f"{PREFIX}DATABASE_TLS", "disable")
    return monkeypatch


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("AUDIT_REGION", "", "is required"),
        ("AUDIT_REGION", PLANTED, "must be an AWS region such as eu-west-1"),
        (
            "AUDIT_TABLE",
            "x",
            "must be the name of a DynamoDB table",
        ),
        (
            "ENVIRONMENT",
            "Staging",
            "must be 1 to 20 lower-case letters, digits and single hyphens, beginning with a letter",
        ),
        ("AUDIT_RETENTION_DAYS", "0", "must be at least 1"),
        ("AUDIT_RETENTION_DAYS", PLANTED, "must be a whole number"),
        ("ACTIVITY_THREADS", "1000", "must be at most 200"),
        ("DATABASE_TLS", PLANTED, "must be 'verify-full' or 'disable'"),
        ("LOG_LEVEL", PLANTED, "must be debug, info, warning or error"),
        ("SQL_DIRECTORY", "/nowhere", "there is no directory /nowhere"),
    ],
)
def test_a_wrong_setting_is_a_sentence(
    environment: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    """The variable's name and what is expected."""
    environment.setenv(PREFIX + variable, value)
    with pytest.raises(WrongSettings) as wrong:
        load_settings(Settings)
    assert str(wrong.value) == f"{PREFIX}{variable}: {sentence}"


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, ("aurora-restore", "aurora-restore", "aurora-restore-audit", "aurora-restore-operations")),
        ({"ENVIRONMENT": "staging"}, ("staging", "staging", "staging-audit", "staging-operations")),
        ({"OPERATIONS_TABLE": "qa-operations"}, ("qa", "qa", "qa-audit", "qa-operations")),
        (
            {"ENVIRONMENT": "qa", "OPERATIONS_TABLE": "numbers", "AUDIT_TABLE": "trail", "TASK_QUEUE": "queue"},
            ("qa", "queue", "trail", "numbers"),
        ),
    ],
)
def test_the_environment_names_queue_and_tables(
    environment: pytest.MonkeyPatch, variables: dict[str, str], named: tuple[str, ...]
) -> None:
    """One setting is enough for a second environment; another operations table is another environment, too."""
    for variable, value in variables.items():
        environment.setenv(PREFIX + variable, value)
    settings = load_settings(Settings)
    assert (settings.environment, settings.task_queue, settings.audit_table, settings.operations_table) == named


def test_several_queues_of_events_are_separated_by_commas(environment: pytest.MonkeyPatch) -> None:
    """Without the setting there is none."""
    assert load_settings(Settings).events_queues == []
    arns = [f"arn:aws:sqs:eu-central-1:444455556666:{name}" for name in ("orders-events", "billing-events")]
    environment.setenv(f"{PREFIX}EVENTS_QUEUE_ARNS", ",".join(arns))
    assert load_settings(Settings).events_queues == arns


@hypothesis_settings(deadline=None)  # on a busy machine an example may take a while
@given(st.lists(st.from_regex(r"[A-Za-z0-9_.-]{3,255}", fullmatch=True), min_size=2, max_size=2, unique=True))
@example(["qa-operations", "qa_operations"])
@example(["qa-operations", "qa2"])
@example(["x" * 255, "x" * 254])
def test_two_operations_tables_are_two_environments(tables: list[str]) -> None:
    """Each name is a valid environment's, and no two tables give the same."""
    names = [environment_of_table(table) for table in tables]
    assert len(set(names)) == 2
    for name in names:
        TypeAdapter(EnvironmentName).validate_python(name)


def test_verify_full_needs_the_certificate_bundle(environment: pytest.MonkeyPatch) -> None:
    """The sentence says where it comes from; a path without a file is refused too."""
    environment.setenv(f"{PREFIX}DATABASE_TLS", "verify-full")
    with pytest.raises(WrongSettings, match=f"^{PREFIX}DATABASE_TLS_CA_FILE: not set, but .*global-bundle.pem"):
        load_settings(Settings)
    environment.setenv(f"{PREFIX}DATABASE_TLS_CA_FILE", "/nowhere.pem")
    with pytest.raises(WrongSettings, match=f"^{PREFIX}DATABASE_TLS_CA_FILE: there is no file /nowhere.pem$"):
        load_settings(Settings)


@pytest.mark.parametrize(
    "read",
    [lambda: load_settings(Settings), lambda: load_settings(TrailSettings), own_task_queue],
    ids=["worker", "starter", "a command without settings"],
)
@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("TASK_QUEU", f"; did you mean {PREFIX}TASK_QUEUE?"),
        ("ACTIVITY_TREADS", f"; did you mean {PREFIX}ACTIVITY_THREADS?"),
        ("XYZ_0123456789_0123456789", "; unset it"),
    ],
)
def test_a_misspelt_variable_is_refused(
    environment: pytest.MonkeyPatch, read: Callable[[], object], variable: str, sentence: str
) -> None:
    """By both programs: the setting that was meant would have its default. Its value is not quoted."""
    environment.setenv(PREFIX + variable, PLANTED)
    with pytest.raises(WrongSettings) as wrong:
        read()
    assert str(wrong.value) == f"{PREFIX}{variable}: unknown variable{sentence}"


def test_what_only_the_worker_reads_is_named(environment: pytest.MonkeyPatch) -> None:
    """The command line ignores it; `doctor` says so."""
    environment.setenv(f"{PREFIX}ACTIVITY_THREADS", "20")
    load_settings(TrailSettings)
    assert list_of_worker_only() == [f"{PREFIX}ACTIVITY_THREADS", f"{PREFIX}DATABASE_TLS"]


def test_every_wrong_setting_has_its_line(environment: pytest.MonkeyPatch) -> None:
    """All of them at once, also for the starter."""
    environment.setenv(f"{PREFIX}AUDIT_TABLE", "x")
    environment.delenv(f"{PREFIX}AUDIT_REGION")
    with pytest.raises(WrongSettings) as wrong:
        load_settings(TrailSettings)
    assert [line.split(":")[0] for line in str(wrong.value).splitlines()] == [
        f"{PREFIX}AUDIT_REGION",
        f"{PREFIX}AUDIT_TABLE",
    ]


@pytest.mark.parametrize("model", [RestoreRequest, Settings])
def test_every_pattern_has_its_words(model: type[RestoreRequest | Settings]) -> None:
    """No operator has to read a regular expression."""
    assert set(patterns(model.model_json_schema())) <= set(EXPECTED)


def patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        yield from schema.get("patternProperties", {})
    children = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for child in children:
        yield from patterns(child)


class CalledError(Exception):
    """The clients are made."""


def test_the_worker_knows_its_environment(environment: pytest.MonkeyPatch) -> None:
    """Without it a worker of another environment would take op-001 of the default one for its own."""

    def record(**given: object) -> NoReturn:
        raise CalledError(given)

    environment.setenv(f"{PREFIX}ENVIRONMENT", "staging")
    environment.setattr(worker, "AwsClients", record)
    with pytest.raises(CalledError) as called:
        asyncio.run(worker.run(load_settings(Settings)))
    assert called.value.args == ({"environment": "staging"},)


@pytest.mark.parametrize(
    ("variables", "task_queue"),
    [
        ({}, "aurora-restore"),
        ({"ENVIRONMENT": "staging"}, "staging"),
        ({"OPERATIONS_TABLE": "billing-operations"}, "billing"),
        ({"ENVIRONMENT": "staging", "OPERATIONS_TABLE": "billing-operations", "TASK_QUEUE": "one"}, "one"),
        ({"ENVIRONMENT": "staging", "OPERATIONS_TABLE": "billing-operations", "TASK_QUEUE": ""}, "staging"),
    ],
)
def test_a_command_without_settings_knows_the_same_task_queue(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], task_queue: str
) -> None:
    """`status op-005` means the environment whose worker has these settings."""
    for name in ("ENVIRONMENT", "OPERATIONS_TABLE", "TASK_QUEUE"):
        monkeypatch.delenv(f"{PREFIX}{name}", raising=False)
    monkeypatch.setenv(f"{PREFIX}AUDIT_REGION", "eu-central-1")
    for name, value in variables.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    assert own_task_queue() == load_settings(TrailSettings).task_queue == task_queue


def test_a_command_without_settings_knows_the_names_of_all() -> None:
    """So that it finds a variable that is none without loading them."""
    assert {name.upper() for name in Settings.model_fields} == SETTINGS
