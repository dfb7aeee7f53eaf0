"""Strategies for requests with the mistakes of users and programs, and for valid requests with extreme values."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from devstack.demo_environment import ACCOUNT
from tests.integration.audit.test_bad_input import GOOD, PLANTED

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
"""A valid request with a value in every section, so that every one can be broken."""


def _nested_list(levels: int) -> Any:
    value: Any = PLANTED
    for _ in range(levels):
        value = [value]
    return value


def _hostile_strings() -> st.SearchStrategy[str]:
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
    """Values of the wrong type or form; each text among them contains the planted secret."""
    numbers = st.sampled_from([0, -1, 1, 2**63, -(2**63), 10**400, 1e308, 0.5, True])
    shapes = st.sampled_from([None, [], {}, [None] * 1000, [PLANTED] * 300, {PLANTED[:3]: PLANTED}, _nested_list(100)])
    return _hostile_strings() | numbers | shapes | st.text(max_size=80).map(lambda text: f"{PLANTED}{text}?")


def _paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of a value and of everything in it."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [prefix, *(path for key, child in children for path in _paths(child, (*prefix, key)))]


def _full_request_with(changes: list[tuple[tuple[Any, ...], str, Any]]) -> Any:
    request: Any = copy.deepcopy(FULL)
    for path, change, value in changes:
        if not path:
            continue
        parent = request
        for key in path[:-1]:
            parent = parent[key] if _has(parent, key) else None
        if _has(parent, path[-1]):
            _change(parent, path[-1], change, value)
    return request


def _has(parent: Any, key: Any) -> bool:
    return (isinstance(parent, dict) and key in parent) or (
        isinstance(parent, list) and isinstance(key, int) and key < len(parent)
    )


def _change(parent: Any, key: Any, change: str, value: Any) -> None:
    if change == "replace":
        parent[key] = value
    elif change == "remove":
        parent.pop(key)
    elif isinstance(parent, dict):
        parent[f"{key}_too"] = value


def broken_requests() -> st.SearchStrategy[Any]:
    """The full request with one to five values replaced, removed or added."""
    change = st.tuples(
        st.sampled_from(_paths(FULL)), st.sampled_from(["replace", "replace", "remove", "add"]), hostile_values()
    )
    return st.lists(change, min_size=1, max_size=5).map(_full_request_with)


def hostile_texts() -> st.SearchStrategy[str]:
    """Contents of a file that should hold a request."""
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
    """Valid requests, with identifiers of every allowed length."""

    def section(name: str) -> st.SearchStrategy[dict[str, Any]]:
        locations = st.fixed_dictionaries({"account_id": ACCOUNTS, "region": REGIONS, "cluster": CLUSTERS})
        snapshot = {"snapshot": {"identifier": "nightly"}} if name == "source" else {}
        return locations.map(lambda location: {**GOOD[name], **snapshot, **location})

    return st.builds(
        lambda source, target, keep: {**GOOD, "source": source, "target": target, "archive": {"keep": keep}},
        section("source"),
        section("target"),
        st.integers(1, 90),
    ).filter(lambda request: request["source"]["cluster"].lower() != request["target"]["cluster"].lower())
