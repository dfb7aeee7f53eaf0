"""What docs/runbook.md owes the operator on call: each step, each text, each cure, each permission."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from botocore import xform_name
from botocore.session import get_session

from activities.rds.fault_table import TABLE, FaultRule
from models.cures import RETRY_FROM, START_COMMAND, START_ONLY, retry_command
from models.search_attributes import ALL
from models.steps import Step
from tests.rigs.documents import anchor, headings, modules, section, text
from tests.rigs.messages import Message, raised_messages

RUNBOOK = text("docs", "runbook.md")
PARTS = ("> **Do this**", "**What it does.**", "**What you will see.**", "**When it fails")
LONGEST_BOX = 5
"""Lines, the first of which is its title."""
ROWS = [
    (details, what_to_do.replace("`", ""))
    for details, what_to_do in re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", RUNBOOK, re.MULTILINE)
]
WITHOUT_CURE = {"Invalid request": "it lists mistakes, and each of them says what was expected"}
"""Messages that end with something else than a cure, and why."""
SERVICES = ("rds", "application-autoscaling", "ec2", "kms", "secretsmanager", "sns", "sts", "dynamodb")
NO_PERMISSION_OF_ITS_OWN = {
    "sts:GetCallerIdentity",  # needs none
    "dynamodb:TransactWriteItems",  # IAM asks for the actions within: PutItem
}


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    """What activities, the trail and the workflow raise."""
    return list(raised_messages())


def test_each_step_has_a_section_in_the_order_of_a_restore() -> None:
    """The headings that are steps are the nine steps, in their order and side by side."""
    actual = headings(RUNBOOK)
    first = actual.index(Step.SNAPSHOT_CHECK)
    assert actual[first : first + len(Step)] == [step.value for step in Step]


@pytest.mark.parametrize("step", Step)
def test_each_step_says_what_to_do_and_what_it_does(step: Step) -> None:
    """A step's section has its four parts, in order, and a table of what can fail."""
    actual = section(RUNBOOK, step)
    places = [actual.find(part) for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)
    assert "| Details | what it means | what to do |" in actual


@pytest.mark.parametrize("step", Step)
def test_each_step_begins_with_a_short_box(step: Step) -> None:
    """An operator who was just woken reads at most five lines, and finds the command in them."""
    box = section(RUNBOOK, step).strip().split("\n\n")[0].splitlines()
    assert box[0] == "> **Do this**"
    assert all(line.startswith("> ") for line in box)
    assert len(box) <= LONGEST_BOX
    assert "python starter.py " in "".join(box)


def test_it_has_every_text_of_the_fault_table() -> None:
    """Each short text that the fault table gives is in the runbook."""
    assert not [rule.short for rule in TABLE if rule.short not in RUNBOOK]


def test_it_has_every_text_that_is_raised(messages: list[Message]) -> None:
    """Each short text that an activity, the trail or the workflow raises is in the runbook."""
    assert len({message.short for message in messages}) > 30
    assert not [f"{message.where}: {message.short}" for message in messages if message.short not in RUNBOOK]


@pytest.mark.parametrize(
    "rule", [rule for rule in TABLE if rule.advice], ids=lambda rule: f"{rule.operation}-{rule.code}"
)
def test_the_cure_of_a_fault_is_the_runbooks(rule: FaultRule) -> None:
    """What the fault table advises is in the row of the same text, word for word."""
    assert is_in_a_row(rule.short, rule.advice)


def test_the_cures_of_messages_are_the_runbooks(messages: list[Message]) -> None:
    """What a message says last, which is what to do, is in the row of its text, word for word."""
    cured = [message for message in messages if message.cure and message.short not in WITHOUT_CURE]
    assert len(cured) > 100
    assert not [message for message in cured if message.cure and not is_in_a_row(message.short, message.cure)]


def test_it_has_every_text_on_success() -> None:
    """Each text that the trail shows after a success is in the runbook."""
    done = {
        keyword.value.value
        for _, tree in modules("activities")
        for call in calls(tree)
        if not any(keyword.arg == "done" for keyword in call.keywords)
        for keyword in call.keywords
        if keyword.arg == "details" and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str)
    }
    assert "Copy completed" in done
    assert not [details for details in done if f"`{details}`" not in RUNBOOK]


def test_its_cures_are_those_that_the_tool_prints() -> None:
    """A row names an earlier step, or a new restore alone, exactly where the notification and the terminal do."""
    steps = {(step, short): cell for step in Step for short, cell in cures(step)}
    for (step, short), earlier in RETRY_FROM.items():
        assert f"`{retry_command('OPERATION', earlier)}`" in steps[step, short]
    assert not [place for place in START_ONLY if f"`{START_COMMAND}`" not in steps[place]]
    assert {place for place, cell in steps.items() if " --from " in cell} == set(RETRY_FROM)
    assert {place for place, cell in steps.items() if START_COMMAND in cell} == START_ONLY


def test_every_cure_is_of_a_text_that_the_step_can_show(messages: list[Message]) -> None:
    """A short text that was renamed is renamed in the table of cures too."""
    shorts = {*(message.short for message in messages), *(rule.short for rule in TABLE)}
    assert {short for _, short in (*RETRY_FROM, *START_ONLY)} <= shorts


def test_it_has_every_permission_that_a_call_needs() -> None:
    """Each AWS operation that production code calls is among the permissions."""
    permissions = section(RUNBOOK, "Permissions of each step")
    needed = set(called_operations()) - NO_PERMISSION_OF_ITS_OWN
    assert {"rds:DeleteDBCluster", "dynamodb:Query", "sns:Publish"} <= needed
    assert not [action for action in sorted(needed) if f"`{action}`" not in permissions]


def test_it_names_what_the_code_registers() -> None:
    """The search attributes are those that starter.py setup registers."""
    named = re.findall(r"^\| `(AuroraRestore\w+)` ", RUNBOOK, re.MULTILINE)
    assert named == [key.name for key in ALL]


def test_the_links_within_lead_somewhere() -> None:
    """A reference to another section of the runbook has its heading."""
    anchors = {anchor(heading) for heading in headings(RUNBOOK)}
    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) <= anchors


def cures(heading: str) -> Iterator[tuple[str, str]]:
    """Each short text of a section's table, with its cell of what to do."""
    for details, cure in re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", section(RUNBOOK, heading), re.MULTILINE):
        yield from ((short, cure) for short in details.split(", "))


def is_in_a_row(short: str, cure: str) -> bool:
    """Whether a row whose Details have the short text says the cure; an ellipsis is for what differs each time."""
    pieces = [re.escape(piece.strip(" .:\n")) for piece in cure.split("…") if piece.strip(" .:\n")]
    wanted = re.compile(".*?".join(pieces))
    return any(short in details and wanted.search(what_to_do) for details, what_to_do in ROWS)


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def called_operations() -> Iterator[str]:
    """The operations of AWS among the method names and paginators of production code."""
    session = get_session()
    known = {
        xform_name(operation): f"{service}:{operation}"
        for service in reversed(SERVICES)  # the first wins where two services have an operation of one name
        for operation in session.get_service_model(service).operation_names
    }
    for package in ("activities", "audit", "clients"):
        for _, tree in modules(package):
            for node in ast.walk(tree):
                match node:
                    case ast.Attribute(attr=method) if method in known:
                        yield known[method]
                    case ast.Call(func=ast.Attribute(attr="get_paginator"), args=[ast.Constant(str(method))]):
                        yield known[method]
