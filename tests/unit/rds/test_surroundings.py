"""What cannot be kept of a cluster's surroundings is said in sentences; what is compared may be more than was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from activities.rds.differences import covers, find_differences
from activities.rds.surroundings.table import list_lost_names
from models.configuration import ClusterSettings, Instance
from models.scaling import ScalableTarget, ScalingPolicy


def settings(*names: str) -> ClusterSettings:
    return ClusterSettings(instances=tuple(Instance(identifier=name, instance_class="db.r6g.large") for name in names))


def test_names_that_stay_are_no_loss() -> None:
    """What names an instance goes on with it."""
    assert list_lost_names("staging", settings("blue", "green"), settings("green", "blue")) == []
    assert list_lost_names("staging", settings("staging-1"), ClusterSettings(instances=settings("x").instances)) != []


def test_instances_that_do_not_come_back_are_named_and_bounded() -> None:
    """Event subscriptions and alarms name instances."""
    [text] = list_lost_names("staging", settings(*(f"old-{number}" for number in range(7))), settings("new"))
    assert text.startswith("No instance is named old-0, old-1, old-2, old-3, old-4 and 2 more any more")


@pytest.mark.parametrize(
    ("actual", "covered"),
    [
        ({"TargetValue": 60.0, "DisableScaleIn": False}, True),
        ({"TargetValue": 50}, False),
        ({"Steps": [1]}, False),
        ({}, False),
    ],
)
def test_aws_may_answer_with_more_than_it_was_given(actual: dict[str, Any], covered: bool) -> None:
    """Its defaults are no difference."""
    assert covers({"TargetValue": 60}, actual) is covered
    assert covers({"Steps": [{"a": 1}]}, {"Steps": [{"a": 1, "b": 2}]})
    assert not covers({"Steps": [{"a": 1}]}, {"Steps": [{"a": 1}, {"a": 1}]})


def test_a_policy_that_differs_or_is_missing_is_named() -> None:
    """By its name, with both configurations."""
    policies = tuple(ScalingPolicy(name=name, configuration={"TargetValue": 60}) for name in ("busy", "crowded"))
    expected = ScalableTarget(min_capacity=0, max_capacity=4, policies=policies)
    found = ScalingPolicy(name="busy", configuration={"TargetValue": 70})
    actual = ScalableTarget(min_capacity=1, max_capacity=4, policies=(found,))
    differences = find_differences(
        ClusterSettings(scalable_target=expected), ClusterSettings(scalable_target=actual), "staging"
    )
    assert [difference.setting for difference in differences] == [
        "scalable_target.min_capacity",
        "scalable_target.policies.busy",
        "scalable_target.policies.crowded",
    ]
