"""Wrong settings are sentences: which variable, and what is expected of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.request import RestoreRequest
from models.text_forms import EXPECTED
from settings import PREFIX, Settings, TrailSettings, WrongSettings, load_settings

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


def test_verify_full_needs_the_certificate_bundle(environment: pytest.MonkeyPatch) -> None:
    """The sentence says where it comes from; a path without a file is refused too."""
    environment.setenv(f"{PREFIX}DATABASE_TLS", "verify-full")
    with pytest.raises(WrongSettings, match=f"^{PREFIX}DATABASE_TLS_CA_FILE: not set, but .*global-bundle.pem"):
        load_settings(Settings)
    environment.setenv(f"{PREFIX}DATABASE_TLS_CA_FILE", "/nowhere.pem")
    with pytest.raises(WrongSettings, match=f"^{PREFIX}DATABASE_TLS_CA_FILE: there is no file /nowhere.pem$"):
        load_settings(Settings)


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
