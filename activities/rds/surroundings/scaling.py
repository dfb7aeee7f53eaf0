"""The scalable target of a cluster in Application Auto Scaling: read, and registered again after a restore.

AWS does not say what becomes of it when its cluster is deleted: what is still there is kept, what is missing or differs is
put again. All three calls create or update, and may be repeated.
Source: Application Auto Scaling API Reference and User Guide, "Amazon Aurora and Application Auto Scaling".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.session import get_session
from botocore.validate import ParamValidator

from activities.rds.differences import covers
from models.scaling import PolicyType, ScalableTarget, ScalingPolicy, ScheduledAction, Suspendable

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_application_autoscaling.type_defs import (
        ScalableTargetTypeDef,
        ScalingPolicyTypeDef,
        ScheduledActionTypeDef,
    )

NAMESPACE: Final = "rds"
DIMENSION: Final = "rds:cluster:ReadReplicaCount"
"""The only dimension of an Aurora cluster."""
MAX_MISTAKE = 500
"""Characters of botocore's report that a message quotes."""
_SUSPENDED = {
    Suspendable.SCALE_IN: "DynamicScalingInSuspended",
    Suspendable.SCALE_OUT: "DynamicScalingOutSuspended",
    Suspendable.SCHEDULED: "ScheduledScalingSuspended",
}
_CONFIGURATION = {
    PolicyType.TARGET_TRACKING: "TargetTrackingScalingPolicyConfiguration",
    PolicyType.STEP: "StepScalingPolicyConfiguration",
}


def read_scalable_target(scaling: ApplicationAutoScalingClient, cluster: str) -> ScalableTarget | None:
    """The scalable target of the cluster with its policies and scheduled actions; None if it has none."""
    found = scaling.describe_scalable_targets(
        ServiceNamespace=NAMESPACE, ResourceIds=[_resource(cluster)], ScalableDimension=DIMENSION
    )["ScalableTargets"]
    if not found:
        return None
    target = found[0]
    return ScalableTarget(
        min_capacity=target["MinCapacity"],
        max_capacity=target["MaxCapacity"],
        suspended=_suspended(target),
        tags=_tags(scaling, target) or None,
        policies=tuple(sorted(_read_policies(scaling, cluster), key=lambda policy: policy.name)),
        scheduled_actions=tuple(sorted(_read_actions(scaling, cluster), key=lambda action: action.name)),
    )


def register_missing(scaling: ApplicationAutoScalingClient, cluster: str, configured: ScalableTarget) -> str | None:
    """Make the next call that is missing; returns what it makes, None if everything is there."""
    existing = read_scalable_target(scaling, cluster)
    if existing is None or not _has_limits(existing, configured):
        _register(scaling, cluster, configured, is_new=existing is None)
        return "registering the scalable target"
    policies = {policy.name: policy for policy in existing.policies}
    for policy in configured.policies:
        if not (policy.name in policies and covers(policy, policies[policy.name])):
            _put_policy(scaling, cluster, policy)
            return f"putting the scaling policy {policy.name}"
    actions = {action.name: action for action in existing.scheduled_actions}
    for action in configured.scheduled_actions:
        if not (action.name in actions and covers(action, actions[action.name])):
            _put_action(scaling, cluster, action)
            return f"putting the scheduled action {action.name}"
    return None


def policy_parameters(cluster: str, policy: ScalingPolicy) -> dict[str, Any]:
    """For PutScalingPolicy."""
    return _place(cluster) | {
        "PolicyName": policy.name,
        "PolicyType": policy.policy_type.value,
        _CONFIGURATION[policy.policy_type]: policy.configuration,
    }


def find_mistake(policy: ScalingPolicy) -> str | None:
    """What botocore would refuse about a policy's configuration: names of members and types, no values; else None."""
    shape: Any = (
        get_session().get_service_model("application-autoscaling").operation_model("PutScalingPolicy").input_shape
    )
    report: Any = ParamValidator().validate(policy_parameters("any", policy), shape)
    return "; ".join(report.generate_report().splitlines())[:MAX_MISTAKE] if report.has_errors() else None


def _has_limits(existing: ScalableTarget, configured: ScalableTarget) -> bool:
    return (
        (existing.min_capacity, existing.max_capacity) == (configured.min_capacity, configured.max_capacity)
    ) and set(existing.suspended) == set(configured.suspended)


def _register(scaling: ApplicationAutoScalingClient, cluster: str, configured: ScalableTarget, *, is_new: bool) -> None:
    """Without a role: Aurora has a service-linked one. AWS refuses tags for a target that exists."""
    tags: dict[str, Any] = {"Tags": configured.tags} if configured.tags and is_new else {}
    suspended: Any = {name: kind in configured.suspended for kind, name in _SUSPENDED.items()}
    scaling.register_scalable_target(
        **_place(cluster),
        MinCapacity=configured.min_capacity,
        MaxCapacity=configured.max_capacity,
        SuspendedState=suspended,
        **tags,
    )


def _put_policy(scaling: ApplicationAutoScalingClient, cluster: str, policy: ScalingPolicy) -> None:
    scaling.put_scaling_policy(**policy_parameters(cluster, policy))


def _put_action(scaling: ApplicationAutoScalingClient, cluster: str, action: ScheduledAction) -> None:
    limits = {"MinCapacity": action.min_capacity, "MaxCapacity": action.max_capacity}
    given = {
        "Schedule": action.schedule,
        "Timezone": action.timezone,
        "StartTime": action.start_time,
        "EndTime": action.end_time,
        "ScalableTargetAction": {name: value for name, value in limits.items() if value is not None} or None,
    }
    optional: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    scaling.put_scheduled_action(**_place(cluster), ScheduledActionName=action.name, **optional)


def _read_policies(scaling: ApplicationAutoScalingClient, cluster: str) -> list[ScalingPolicy]:
    pages = scaling.get_paginator("describe_scaling_policies").paginate(**_place(cluster))
    policies = [policy for page in pages for policy in page["ScalingPolicies"]]
    return [_policy(policy) for policy in policies if policy["PolicyType"] in tuple(PolicyType)]


def _policy(policy: ScalingPolicyTypeDef) -> ScalingPolicy:
    policy_type = PolicyType(policy["PolicyType"])
    members: Any = policy
    return ScalingPolicy(
        name=policy["PolicyName"],
        policy_type=policy_type,
        configuration=members.get(_CONFIGURATION[policy_type], {}),
    )


def _read_actions(scaling: ApplicationAutoScalingClient, cluster: str) -> list[ScheduledAction]:
    pages = scaling.get_paginator("describe_scheduled_actions").paginate(**_place(cluster))
    return [_action(action) for page in pages for action in page["ScheduledActions"]]


def _action(action: ScheduledActionTypeDef) -> ScheduledAction:
    limits = action.get("ScalableTargetAction", {})
    return ScheduledAction(
        name=action["ScheduledActionName"],
        schedule=action["Schedule"],
        timezone=action.get("Timezone"),
        start_time=action.get("StartTime"),
        end_time=action.get("EndTime"),
        min_capacity=limits.get("MinCapacity"),
        max_capacity=limits.get("MaxCapacity"),
    )


def _suspended(target: ScalableTargetTypeDef) -> tuple[Suspendable, ...]:
    state: Any = target.get("SuspendedState") or {}
    return tuple(kind for kind, name in _SUSPENDED.items() if state.get(name))


def _tags(scaling: ApplicationAutoScalingClient, target: ScalableTargetTypeDef) -> dict[str, str]:
    """A target that was registered before March 2023 has no ARN, and so no tags."""
    arn = target.get("ScalableTargetARN")
    found = scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] if arn else {}
    return {key: value for key, value in found.items() if not key.lower().startswith("aws:")}


def _place(cluster: str) -> dict[str, Any]:
    return {"ServiceNamespace": NAMESPACE, "ResourceId": _resource(cluster), "ScalableDimension": DIMENSION}


def _resource(cluster: str) -> str:
    return f"cluster:{cluster}"
