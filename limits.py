"""How long anything may be that comes from an input, from AWS or from a database, wherever it is kept or sent.

Temporal, DynamoDB and SNS refuse what is too large. A refused failure, result or row would be sent again for ever, so
whatever may grow is cut here first, and says how much is missing.
Sources: Temporal's dynamic configuration (limit.blobSize.error, limit.mutableStateActivityFailureSize.error), DynamoDB
Developer Guide, "Service, account, and table quotas", SNS API Reference, Publish.
"""

import json
from collections.abc import Sequence
from typing import TypeVar

MAX_REQUEST_BYTES = 512 * 1024
"""Of a restore request in JSON. Temporal refuses 2 MiB; the input of a step has most of the request and more."""
MAX_REQUEST_VALUES = 10_000
"""Texts, numbers, lists and objects of a restore request. Each may be an error, and a workflow's task has 2 seconds."""
MAX_LISTED_ERRORS = 50
"""Errors of a request that its refusal lists."""
MAX_PATH, MAX_ERROR_TEXT = 200, 500
"""Characters of an error's field and of its text."""

MAX_SHORT, MAX_MESSAGE = 200, 20_000
"""Characters of a failure's short text and of its message, in the history, the trail and the notification."""
MAX_TRANSIENT_MESSAGE = 1_000
"""Characters. Of a failure that is retried, Temporal keeps 4 KiB, and of a longer one neither type nor text."""
MAX_STACK_TRACE = 10_000
"""Characters of a stack trace in Temporal's history."""
MAX_CAUSES = 10
"""Causes below a failure in Temporal's history."""

MAX_DETAILS = 1_000
"""Characters of a step's details."""
MAX_WARNINGS, MAX_WARNING = 50, 1_000
"""Warnings of a restore, and characters of each."""
MAX_STARTED_BY = 200
"""Of who started a restore: a memo may hold any text."""
MAX_FACTS, MAX_FACT = 200, 4_000
"""Facts of a step for the trail, and characters of each."""
MAX_COMPARED = 160
"""Characters of the name, the expected and the actual value of a check in the trail."""
MAX_SETTINGS_BYTES = 350_000
"""Of the target's settings in JSON, which the row of its deletion has as one fact; snapshot-check refuses more."""
MAX_RESOURCES = 1_000
"""ARNs of a step: DynamoDB refuses a row of more than 400 KB."""
MAX_INVENTORY = 100
"""Resources, orphans and renamed clusters of an inventory, of each."""

MAX_PACKED_SCHEMA = 1_500_000
"""Characters of a packed schema that a worker returns; Temporal refuses 2 MiB."""
MAX_QUOTED = 300
"""Characters of a check's query or rows in a failure: enough to see which it is."""
MAX_LOGINS = 500
"""Locked logins that heartbeats and the outcome of setup-db-users name."""
MAX_TRANSIENT_LOGINS = 300
"""Characters of the locked logins in a failure that is retried."""

MAX_SUBJECT = 100
"""Characters of a notification's subject, ASCII without line breaks."""
MAX_NOTIFICATION_BYTES = 200_000
"""Of a notification's text inside JSON. SNS accepts 256 KiB, with the chat message and the attributes."""
MAX_WEBHOOK_TEXT_BYTES = 40_000
"""Of the text in the JSON for a webhook: as many characters as Slack takes. Source: Slack API, chat.postMessage."""
MAX_ATTRIBUTE = 400
"""Characters of an attribute of a notification; the longest ARN has fewer."""
MAX_CHAT_TITLE, MAX_CHAT_DESCRIPTION, MAX_CHAT_STEP, MAX_CHAT_KEYWORD = 250, 3_000, 350, 75
"""Characters, by AWS's chat schema; it allows 8,000 of a description, of which Slack shows 3,000 in one piece.

Source: Amazon Q Developer in chat applications, "Custom notifications"; Slack API, "Section block".
"""
MAX_CHAT_LIST = 10
"""Steps, keywords, resources and differences that a chat message lists, of each."""
MAX_NOTIFIED_ORPHANS = 20
MAX_LISTED_ORPHANS = 1_000
"""Orphans that a notification names."""

LONGEST_ESCAPE = len(r"\u0001")
Item = TypeVar("Item")


def shorten(text: str, max_characters: int) -> str:
    """The text, or its beginning and how long it was. Never longer than the limit, so that a second cut changes nothing."""
    if len(text) <= max_characters:
        return text
    note = f"… [cut, {len(text)} characters]"
    return text[: max(0, max_characters - len(note))] + note


def shorten_utf8(text: str, max_bytes: int) -> str:
    """The text, or as much of its beginning as fits into this many bytes of UTF-8."""
    return text.encode()[:max_bytes].decode(errors="ignore")


def shorten_in_json(text: str, max_bytes: int) -> str:
    """The text, or as much of its beginning as fits into this many bytes once it is written as JSON."""
    cut = shorten_utf8(json.dumps(text, ensure_ascii=False)[1:-1], max_bytes - 2)
    for _ in range(LONGEST_ESCAPE):
        try:
            return str(json.loads(f'"{cut}"'))
        except ValueError:
            cut = cut[:-1]  # the cut was inside an escape
    return ""


def first_and_more(lines: Sequence[str], max_lines: int, more: int = 0) -> tuple[str, ...]:
    """The first lines, then how many are left out, `more` that are not in `lines` included."""
    more += max(0, len(lines) - max_lines)
    return (*lines[:max_lines], *([f"and {more} more"] if more else []))


def join_names(names: Sequence[str], max_characters: int, more: int = 0) -> str:
    """As many names as fit, with commas, then how many are left out, `more` that are not in `names` included."""
    length, fitting = len(", and 1000000 more"), 0
    for name in names:
        length += len(name) + 2
        if length > max_characters:
            break
        fitting += 1
    return ", ".join(first_and_more(names, fitting, more))
