"""docs/reference says what the code says: settings, commands, the request, names and the trail's columns."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow

from activities.database_users import READ_SCHEMA
from activities.inventory import TAKE_INVENTORY
from activities.leftovers import LIST_ORPHANS
from activities.notifications.pings import PING_MONITOR
from activities.notifications.summary import PUBLISH_SUMMARY
from activities.operations import OPEN_OPERATION
from activities.plans import PLAN_RESTORE
from activities.rds import tags
from audit.activities import RECORD_DECISION, RECORD_OUTCOME, SEAL_TRAIL
from audit.rows import EXPIRES_AT, Phase, to_item
from audit.table import BY_DATE
from audit.verify.repairs import REPAIR_TRAIL
from errors import Fault
from models.search_attributes import ALL
from models.steps import Housekeeping, Step
from registrations import WORKFLOWS
from settings import PREFIX, Settings
from starter import EPILOG, VERBS, join_verb, parser
from tests.rigs.audit_tables import row
from tests.rigs.documents import DOCUMENTS, section, text
from tests.rigs.questions import answered_questions
from tests.rigs.reference_tables import MANUAL, commands, manual, pages, rewritten

NAMES, TRAIL, COMMANDS = (text("docs", "reference", f"{page}.md") for page in ("names", "trail", "commands"))
ELSEWHERE = {"snapshot-check", "sns-notification"}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_tables_are_the_codes(page: Path) -> None:
    """Every generated table is what `python -m tests.rigs.reference_tables` writes."""
    assert page.read_text("utf-8") == rewritten(page.read_text("utf-8")), "run: python -m tests.rigs.reference_tables"


def test_the_man_page_is_the_parsers() -> None:
    """As `man` shows it, written by the same command as the tables."""
    assert MANUAL.read_text("utf-8") == manual(), "run: python -m tests.rigs.reference_tables"


@pytest.mark.parametrize(("verb", "command"), [(verb, line) for verb in VERBS for line, _ in VERBS[verb].EXAMPLES])
def test_every_example_is_a_command(verb: str, command: str) -> None:
    """The examples of a verb's help are of this verb, and are accepted; what a pipe or a file gets is the shell's."""
    words = shlex.split(command.partition(" | ")[0].partition(" > ")[0])
    assert parser().parse_args(join_verb(words)).verb == verb


def test_every_question_is_answered_by_one_command() -> None:
    """Each command of the table is accepted; tests/integration/cli/test_json.py runs it."""
    questions = answered_questions()
    assert len(questions) > 10
    for command in questions.values():
        assert parser().parse_args(join_verb(shlex.split(command))).verb in VERBS


def test_every_field_of_the_request_has_a_meaning() -> None:
    """No cell of the request's tables is empty."""
    rows = re.findall(r"^\| `\w+` \|.*$", text("docs", "reference", "request.md"), re.MULTILINE)
    assert len(rows) > 50
    assert not [row for row in rows if row.endswith("|  |")]


def test_every_command_is_explained() -> None:
    """The table of commands has each command of starter.py, in its order, with the argument that it must or may get."""
    explained = dict(
        re.findall(r"^\| `([a-z -]+?)(?: ([][A-Z_]+))?` \| [^`]", section(COMMANDS, "starter.py"), re.MULTILINE)
    )
    assert list(explained) == list(commands())
    for name, argument in explained.items():
        assert argument.strip("[]") in commands()[name].format_usage()
        # What is in brackets may be left out: without it the command is complete.
        assert (argument == "" or argument.startswith("[")) == is_complete(name)


def test_exit_codes_are_those_of_the_help() -> None:
    """Each exit code that the help lists is in the table with the same meaning."""
    codes = re.findall(r"^  ([0-9])  (.+)$", EPILOG, re.MULTILINE)
    assert len(codes) == 6
    for code, meaning in codes:
        assert f"| {code} | {meaning} |" in section(COMMANDS, "starter.py")


def test_every_setting_that_a_document_names_exists() -> None:
    """No document asks for a variable that the programs do not read."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for path in DOCUMENTS:
        assert set(re.findall(rf"{PREFIX}[A-Z_]+", path.read_text("utf-8"))) <= known, path


def test_every_option_that_a_document_names_exists() -> None:
    """An option of starter.py in a command of any document is one that the command has."""
    for path in DOCUMENTS:
        for name, rest in re.findall(
            r"starter\.py ([a-z-]+(?: (?:verify|init|check))?)([^\n`|#]*)", path.read_text("utf-8")
        ):
            assert name in commands(), f"{path}: starter.py {name}"
            for option in re.findall(r"--[a-z-]+", rest):
                assert option in commands()[name]._option_string_actions, f"{path}: starter.py {name} {option}"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_prints_json_and_its_fields_are_listed(verb: str) -> None:
    """Also a verb that comes later: `starter.parser` adds the option. Another format is the default."""
    option = commands()[verb]._option_string_actions["-o"]
    formats = list(option.choices or ())
    assert (option.default, formats.count("json")) == (formats[0], 1)
    assert re.search(rf"^\|[^|]*`{verb}[` ]", section(COMMANDS, "JSON"), re.MULTILINE)


def test_the_names_on_temporal_are_the_codes() -> None:
    """Workflow types, messages, search attributes and activity types are what the worker registers."""
    definitions = [workflow._Definition.must_from_class(each) for each in WORKFLOWS]
    assert {definition.name for definition in definitions} <= set(re.findall(r"`(\w+)`", NAMES))
    messages = dict(re.findall(r"^\| `(\w+)` \| (query|signal|update) \|", NAMES, re.MULTILINE))
    assert messages == {
        name: kind for definition in definitions for kind, names in handlers(definition).items() for name in names
    }
    assert re.findall(r"^\| `(AuroraRestore\w+)` \|[^|]+\| ``", NAMES, re.MULTILINE) == [key.name for key in ALL]
    listed = NAMES.partition("| activity type |")[2].partition("\n\n")[0]
    others = {PUBLISH_SUMMARY, OPEN_OPERATION, PING_MONITOR, TAKE_INVENTORY, SEAL_TRAIL, RECORD_OUTCOME}
    others |= {LIST_ORPHANS, PLAN_RESTORE, READ_SCHEMA, RECORD_DECISION, REPAIR_TRAIL}
    steps = {Step.SNAPSHOT_CHECK.value, Step.SNS_NOTIFICATION.value, Step.SWAP_CLUSTERS.value}
    steps |= {Step.REMOVE_DRILL.value}
    assert set(re.findall(r"`([a-z-]+)`", listed)) == others | steps | {each.value for each in Housekeeping}


def test_the_tags_are_the_codes() -> None:
    """The table has every tag that the pipeline sets or reads."""
    defined = {value for value in vars(tags).values() if isinstance(value, str) and value.startswith("aurora-restore:")}
    assert set(re.findall(r"^\| `(aurora-restore:[a-z-]+)` \|", section(NAMES, "AWS"), re.MULTILINE)) == defined


def test_the_columns_are_what_a_row_has() -> None:
    """The table of columns has every attribute of an item, and no other; phases are those of the code."""
    fault = Fault(type="StepFailed", short="-", message="-")
    written: dict[str, Any] = to_item(row(fault=fault, duration_seconds=1.0))
    columns = section(TRAIL, "Columns").partition("| phase |")
    listed = re.findall(r"^\| (`[^|]+`) \|", columns[0], re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(listed))) == {*written, EXPIRES_AT}
    assert re.findall(r"^\| `(\w+)` \|", columns[2], re.MULTILINE) == [phase.value for phase in Phase]
    assert f"`{BY_DATE}`" in TRAIL


def handlers(definition: Any) -> dict[str, set[str]]:
    """The messages that a workflow takes, by kind, without those that are the SDK's own."""
    kinds = {"query": definition.queries, "signal": definition.signals, "update": definition.updates}
    return {kind: {name for name in names if name and not name.startswith("__")} for kind, names in kinds.items()}


def is_complete(command: str) -> bool:
    """Whether a command without anything else can be run."""
    try:
        commands()[command].parse_args([])
    except SystemExit:
        return False
    return True
