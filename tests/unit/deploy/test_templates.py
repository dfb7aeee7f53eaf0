"""The templates beside template.yaml, which tests/integration/iam checks: valid, and agreeing with the code."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from settings import PREFIX, QueueArns, Settings
from tests.rigs.iam.template import DEPLOY, read_template, template
from tests.rigs.shareable_snapshots import TEMPLATE as SHAREABLE
from tests.rigs.shareable_snapshots import with_code

TEMPLATES = ("ecs", "messages", "shareable-snapshots")
INLINE_CODE = 4096
"""Characters of a function's code in a template. Source: CloudFormation, AWS::Lambda::Function Code."""
MOST_SECONDS_ON_FARGATE = 120
"""Source: ECS API, ContainerDefinition, stopTimeout."""


def resources(name: str) -> dict[str, Any]:
    """The properties of a template's resources."""
    found = read_template(DEPLOY / f"{name}.yaml")["Resources"]
    return {each: resource["Properties"] for each, resource in found.items()}


@pytest.fixture(scope="module")
def container() -> dict[str, Any]:
    """The worker's container on ECS."""
    [found] = resources("ecs")["Worker"]["ContainerDefinitions"]
    return dict(found)


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_reports_nothing(name: str) -> None:
    """Neither an error nor a warning."""
    from cfnlint.api import ManualArgs, lint_file  # a second, which every process would take to collect its tests

    matches: list[Any] = lint_file(DEPLOY / f"{name}.yaml", config=ManualArgs(regions=["eu-central-1", "us-east-1"]))
    assert not [str(match) for match in matches]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_parameter_is_described_and_validated(name: str) -> None:
    """Each has a description, and a pattern, a list, limits or a type of AWS's."""
    for parameter, declared in read_template(DEPLOY / f"{name}.yaml")["Parameters"].items():
        assert declared["Description"].endswith("."), parameter
        checked = {"AllowedPattern", "AllowedValues", "MaxValue"} & declared.keys()
        assert checked or declared["Type"].startswith(("AWS::", "List<AWS::", "CommaDelimitedList")), parameter


ARN = "arn:aws:sqs:eu-west-1:111122223333:events"


@pytest.mark.parametrize(
    ("queues", "is_valid"),
    [
        (ARN, True),
        (f"{ARN},{ARN}", True),
        (",".join([ARN] * 20), True),
        (",".join([ARN] * 21), False),
        (f"{ARN},", False),
        (f"{ARN}{ARN}", False),
        (f"{ARN}, {ARN}", False),
    ],
)
def test_ecs_and_the_setting_accept_the_same_queues(queues: str, is_valid: bool) -> None:
    """What the template accepts is no worker that ends at its start."""
    pattern = read_template(DEPLOY / "ecs.yaml")["Parameters"]["EventsQueueArns"]["AllowedPattern"]
    try:
        TypeAdapter(QueueArns).validate_python(queues)
    except ValidationError:
        assert not is_valid
    else:
        assert is_valid
    assert bool(re.fullmatch(pattern, queues)) is is_valid


def test_the_function_has_the_code_of_the_file() -> None:
    """Otherwise: python -m tests.rigs.shareable_snapshots."""
    text = SHAREABLE.read_text("utf-8")
    assert with_code(text) == text
    assert len(resources("shareable-snapshots")["Function"]["Code"]["ZipFile"]) <= INLINE_CODE


def values(names: list[Any]) -> dict[str, Any]:
    """A container's variables or secrets by name, those under a condition too."""
    plain = [each["If"][1] if "If" in each else each for each in names]
    return {each["Name"]: each.get("Value", each.get("ValueFrom")) for each in plain}


def test_the_variables_on_ecs_are_those_that_the_programs_read(container: dict[str, Any]) -> None:
    """Every one with the pipeline's prefix is a setting; secrets come from Secrets Manager, under Temporal's names."""
    variables, secrets = values(container["Environment"]), values(container["Secrets"])
    own = {name for name in variables if name.startswith(PREFIX)}
    assert {name.removeprefix(PREFIX).lower() for name in own} <= set(Settings.model_fields)
    assert variables.keys() - own == {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}
    assert secrets.keys() == {"TEMPORAL_API_KEY", "TEMPORAL_TLS_CLIENT_CERT_DATA", "TEMPORAL_TLS_CLIENT_KEY_DATA"}


def test_the_worker_on_ecs_is_confined_and_checked(container: dict[str, Any]) -> None:
    """No root, a read-only root file system, no capabilities, and the image's health check."""
    assert (container["User"], container["ReadonlyRootFilesystem"]) == ("10001:10001", True)
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert container["HealthCheck"]["Command"] == ["CMD", "python", "worker.py", "check"]


def test_fargate_kills_only_after_the_workers_shutdown(container: dict[str, Any]) -> None:
    """The time for running activities is shorter than ECS's, which has a limit on Fargate."""
    graceful = int(values(container["Environment"])[f"{PREFIX}GRACEFUL_SHUTDOWN_SECONDS"])
    assert graceful < container["StopTimeout"] <= MOST_SECONDS_ON_FARGATE


def test_the_worker_on_ecs_has_the_role_of_the_template() -> None:
    """By its name, in the same account; ECS's own role may only start the container."""
    name = template()["Resources"]["WorkerRole"]["Properties"]["RoleName"]
    assert resources("ecs")["Worker"]["TaskRoleArn"].endswith(f":role/{name}")
    assert "ecs-tasks.amazonaws.com" in template()["Parameters"]["WorkerService"]["AllowedValues"]
    [policy] = resources("ecs")["ExecutionRole"]["Policies"]["If"][1]
    assert [each["Action"] for each in policy["PolicyDocument"]["Statement"]] == ["secretsmanager:GetSecretValue"]


def test_nobody_connects_to_a_worker() -> None:
    """Its group lets nothing in."""
    assert "SecurityGroupIngress" not in resources("ecs")["WorkerSecurityGroup"]


@pytest.mark.parametrize("channel", ["Slack", "Teams"])
def test_a_channel_may_do_nothing(channel: str) -> None:
    """Without a guardrail AWS applies AdministratorAccess; the role has no policy either."""
    found = resources("messages")
    assert found[channel]["GuardrailPolicies"] == ["arn:${AWS::Partition}:iam::aws:policy/AWSDenyAll"]
    assert not {"Policies", "ManagedPolicyArns"} & found["ChatRole"].keys()


@pytest.mark.parametrize("document", ["docs/first-restore-on-aws.md", "deploy/README.md"])
def test_a_parameter_in_a_document_is_one_of_the_template(document: str) -> None:
    """In each command that deploys a stack, also in those that no test runs."""
    text = (DEPLOY.parent / document).read_text("utf-8").replace("\\\n", " ")
    commands = re.findall(r"cloudformation deploy .*--template-file deploy/([a-z-]+)\.yaml (.*)", text)
    assert commands
    for template_name, options in commands:
        given = set(re.findall(r"\b([A-Z]\w+)=", options.partition("--parameter-overrides")[2]))
        declared = read_template(DEPLOY / f"{template_name}.yaml")["Parameters"]
        required = {name for name, parameter in declared.items() if "Default" not in parameter}
        assert required <= given <= declared.keys(), (template_name, given)


def test_the_environment_is_the_same_parameter_everywhere() -> None:
    """Its name, pattern and default are those of template.yaml."""
    expected = template()["Parameters"]["Environment"]
    for name in ("ecs", "shareable-snapshots"):
        declared = read_template(DEPLOY / f"{name}.yaml")["Parameters"]["Environment"]
        assert {**declared, "Description": ""} == {**expected, "Description": ""}
