"""The restore request of a scenario."""

from __future__ import annotations

from models.request import RestoreRequest
from tests.properties.no_harm.emulated_resources import SECURITY_GROUP
from tests.properties.no_harm.scenario import (
    OTHER_ACCOUNTS,
    SOURCE,
    SOURCE_ACCOUNT,
    SOURCE_REGION,
    TARGET,
    TARGET_ACCOUNT,
    Place,
    Scenario,
)
from tests.rigs.requests import every_wait, request, wait

ROLE = f"arn:aws:iam::{TARGET_ACCOUNT}:role/aurora-restore"
SELECTORS = {"named": {"identifier": "nightly"}, "prefix": {"prefix": "daily"}, "newest": {}}
SNAPSHOT_NAMES = {"named": "nightly", "prefix": "daily-2024-03-20", "newest": "rds:orders-2024-03-20-03-00"}
"""The name of the source snapshot, by the selector that selects it."""


def effective_selector(scenario: Scenario) -> str:
    """The scenario's selector, unless that is impossible: an automated snapshot cannot be shared with another account."""
    return "named" if scenario.place in OTHER_ACCOUNTS and scenario.selector == "newest" else scenario.selector


def request_of(scenario: Scenario) -> RestoreRequest:
    """The request of a scenario; each wait has a deadline of 9 minutes and polls once a minute."""
    place = scenario.place
    has_sources_name = scenario.target_has_sources_name and place is not Place.SAME
    return request(
        users=None,
        source={
            "account_id": SOURCE_ACCOUNT,
            "region": SOURCE_REGION,
            "cluster": SOURCE,
            "snapshot": SELECTORS[effective_selector(scenario)],
        },
        target={
            "account_id": place.account,
            "region": place.region,
            "role_arn": ROLE if place in OTHER_ACCOUNTS else None,
            "cluster": SOURCE if has_sources_name else TARGET,
            "instances": [{"instance_class": "db.r6g.large"}, {"instance_class": "db.r6g.large"}],
            "db_subnet_group_name": "default",
            "vpc_security_group_ids": [SECURITY_GROUP],
            "kms_key_id": "the-one" if scenario.encrypted and place is not Place.SAME else None,
            "missing": "create" if scenario.create_missing else "fail",
            "replacement": "drill" if scenario.drill else "delete_first",
        },
        archive={"keep": scenario.keep},
        on_failure={
            "unfinished_copy": "remove" if scenario.remove_copy else "keep",
            "half_restored_target": "remove" if scenario.remove_target else "keep",
        },
        notification={"topic_arn": f"arn:aws:sns:{SOURCE_REGION}:{SOURCE_ACCOUNT}:restores"},
        waits=every_wait(wait("PT9M", "PT1M")),
    )
