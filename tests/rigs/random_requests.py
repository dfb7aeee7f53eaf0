"""Requests as people and programs get them wrong, and right ones at the edges of what is allowed."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.integration.audit.test_bad_input import ACCOUNT, GOOD, PLANTED

settings.register_profile(
    "requests",
    max_examples=1000 if os.environ.get("CI") == "true" else 100,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
PROFILE = settings.get_profile("requests")

FULL: dict[str, Any] = {
    **GOOD,
    "source": {
        **GOOD["source"],
        "role_arn": f"arn:aws:iam::{ACCOUNT}:role/reader",
        "external_id": "between-us",
        "snapshot": {"prefix": "daily", "date": "2024-03-20", "max_age": "PT26H"},
    },
    "target": {**GOOD["target"], "port": 5432, "master_user_secret_id": "staging/master", "missing": "create"},
    "users": [{"name": "app", "secret_id": "staging/app", "grants": [{"database": "shop", "access": "read-only"}]}],
    "archive": {"keep": 3},
    "waits": {"copy_snapshot": {"deadline": "PT12H", "first_interval": "PT30S", "maximum_interval": "PT5M"}},
}
"""A request that says everything there is to say, so that everything can be said wrong."""


def _deep(levels: int) -> Any:
    value: Any = PLANTED
    for _ in range(levels):
        value = [value]
    return value


def _hostile_texts() -> st.SearchStrategy[str]:
    return st.sampled_from(
        [
            PLANTED + "?",
            PLANTED + " " * 70,
            PLANTED * 2_000,
            f"{PLANTED}\x00",
            f"{PLANTED}\u202e",
            f"--{PLANTED}",
            f"{PLANTED}--x",
            f"{PLANTED}-",
            f"9{PLANTED}",
            f"{PLANTED}\n",
            f"{PLANTED}'; DROP TABLE orders; --",
            f"ünïcode-{PLANTED}",
            f"{PLANTED}\U0001f4a3",
            f"arn:aws:rds:eu-west-1:{ACCOUNT}:cluster:{PLANTED}",
            f"eu-{PLANTED}-west-1",
            f"P{PLANTED}D",
        ]
    )


def hostile_values() -> st.SearchStrategy[Any]:
    """What stands where something else should; a text among them bears the planted secret."""
    numbers = st.sampled_from([0, -1, 1, 2**63, -(2**63), 10**400, 1e308, 0.5, True])
    shapes = st.sampled_from([None, [], {}, [None] * 1000, [PLANTED] * 300, {PLANTED[:3]: PLANTED}, _deep(100)])
    return _hostile_texts() | numbers | shapes | st.text(max_size=80).map(lambda text: f"{PLANTED}{text}?")


def _paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, child in children for path in _paths(child, (*at, key)))]


def _changed(changes: list[tuple[tuple[Any, ...], str, Any]]) -> Any:
    request: Any = copy.deepcopy(FULL)
    for path, change, value in changes:
        if not path:
            continue
        holder = request
        for key in path[:-1]:
            holder = holder[key] if _has(holder, key) else None
        if _has(holder, path[-1]):
            _change(holder, path[-1], change, value)
    return request


def _has(holder: Any, key: Any) -> bool:
    return (isinstance(holder, dict) and key in holder) or (
        isinstance(holder, list) and isinstance(key, int) and key < len(holder)
    )


def _change(holder: Any, key: Any, change: str, value: Any) -> None:
    if change == "replace":
        holder[key] = value
    elif change == "remove":
        holder.pop(key)
    elif isinstance(holder, dict):
        holder[f"{key}_too"] = value


def broken_requests() -> st.SearchStrategy[Any]:
    """The full request with one to five things replaced, left out or added."""
    change = st.tuples(
        st.sampled_from(_paths(FULL)), st.sampled_from(["replace", "replace", "remove", "add"]), hostile_values()
    )
    return st.lists(change, min_size=1, max_size=5).map(_changed)


def hostile_texts() -> st.SearchStrategy[str]:
    """What is in a file that should hold a request."""
    return (
        broken_requests().map(json.dumps)
        | hostile_values().map(json.dumps)
        | st.text(max_size=200)
        | st.sampled_from(
            [
                "[" * 100_000,
                "[" * 100_000 + "]" * 100_000,
                '{"source": ' * 50_000,
                "a = " + "[" * 100_000,
                "a = " + "[" * 3_000 + "]" * 3_000,
                "a." * 3_000 + "b = 1",
                "a = " + "9" * 5_000,
                '{"archive": {"keep": ' + "9" * 5_000 + "}}",
                '{"a": 1, "a": 2}',
                "a = 1\na = 2",
                '{"source": "\\ud800"}',
                "a = 9999-12-31T23:59:60Z",
                "\x00",
                "NaN",
                f'{{"archive": {{"keep": NaN}}, "x": "{PLANTED}"}}',
            ]
        )
    )


CLUSTERS = st.lists(st.sampled_from(["a", "Z", "9", "-b"]), max_size=62).map(
    lambda parts: f"k{''.join(parts)}"[:63].rstrip("-")
)
REGIONS = st.sampled_from(["eu-west-1", "us-gov-west-1", "cn-north-1", "ap-southeast-4", "il-central-1"])
ACCOUNTS = st.integers(0, 10**12 - 1).map(lambda number: f"{number:012d}")


def good_requests() -> st.SearchStrategy[dict[str, Any]]:
    """Requests that keep every rule, with names up to the last character."""

    def section(name: str) -> st.SearchStrategy[dict[str, Any]]:
        places = st.fixed_dictionaries({"account_id": ACCOUNTS, "region": REGIONS, "cluster": CLUSTERS})
        named = {"snapshot": {"identifier": "nightly"}} if name == "source" else {}
        return places.map(lambda place: {**GOOD[name], **named, **place})

    return st.builds(
        lambda source, target, keep: {**GOOD, "source": source, "target": target, "archive": {"keep": keep}},
        section("source"),
        section("target"),
        st.integers(1, 90),
    ).filter(lambda request: request["source"]["cluster"].lower() != request["target"]["cluster"].lower())
