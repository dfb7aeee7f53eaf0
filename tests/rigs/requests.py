"""The restore request of the tests: one builder; each test changes only what it is about."""

from __future__ import annotations

import copy
import json
from typing import Any

from devstack.demo_environment import ACCOUNT, SOURCE_REGION, TARGET_REGION, USERS
from models.request import RestoreRequest

WAITS = ("copy_snapshot", "delete_rds", "restore_snapshot")
GRANTS = {"orders_app": "read-write", "orders_report": "read-only"}
DEFAULT: dict[str, Any] = {
    "source": {"account_id": ACCOUNT, "region": SOURCE_REGION, "cluster": "orders"},
    "target": {
        "account_id": ACCOUNT,
        "region": TARGET_REGION,
        "cluster": "orders-staging",
        "instances": [{"instance_class": "db.r6g.large"}],
        "db_subnet_group_name": "staging",
        "vpc_security_group_ids": ["sg-0123456789abcdef0"],
        "kms_key_id": "alias/staging",
    },
    "users": [
        {"name": user, "secret_id": secret, "grants": [{"database": "orders", "access": GRANTS[user]}]}
        for user, secret in USERS.items()
    ],
    "notification": {"topic_arn": f"arn:aws:sns:{TARGET_REGION}:{ACCOUNT}:aurora-restore"},
}
"""A restore of the demo environment."""


def wait(deadline: str, first_interval: str, maximum_interval: str | None = None) -> dict[str, str]:
    """A wait of the request, in ISO 8601 durations; by default the interval stays the same."""
    maximum_interval = maximum_interval or first_interval
    return {"deadline": deadline, "first_interval": first_interval, "maximum_interval": maximum_interval}


def every_wait(of_each: dict[str, str]) -> dict[str, dict[str, str]]:
    """The request's `waits`, all the same."""
    return dict.fromkeys(WAITS, of_each)


QUICK_WAIT = wait("PT1M", "PT0.2S")
"""For restores in real time whose RDS works at once."""


def request_json(**changes: Any) -> dict[str, Any]:
    """The default request with changes: objects are merged, other values replaced, and None leaves a field out.

    `users=[]` also keeps the other logins: then nothing is asked of a database, and not every rig has one.
    """
    if changes.get("users") == []:
        changes.setdefault("other_logins", "keep")
    return merge(copy.deepcopy(DEFAULT), changes)


def request(**changes: Any) -> RestoreRequest:
    """As `request_json`, validated as the workflow does it."""
    return RestoreRequest.model_validate_json(json.dumps(request_json(**changes)))


def quick_request(**changes: Any) -> RestoreRequest:
    """A request without users, whose waits are `QUICK_WAIT` unless the changes say otherwise."""
    return request(**merge({"users": [], "waits": every_wait(QUICK_WAIT)}, changes))


def merge(default: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Both, level by level; a change of None removes the field."""
    merged = dict(default)
    for name, change in changes.items():
        if change is None:
            merged.pop(name, None)
        elif isinstance(change, dict) and isinstance(merged.get(name), dict):
            merged[name] = merge(merged[name], change)
        else:
            merged[name] = change
    return merged


CANONICAL_ID = request().target.workflow_id
"""The workflow id of every restore of the default target."""
