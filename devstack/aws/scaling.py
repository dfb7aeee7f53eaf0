"""Application Auto Scaling of Aurora clusters: scalable targets, policies and scheduled actions. Nothing scales.

Moto's takes a target without its cluster and a policy without its target, and ignores roles, tags and pages. A member is
modelled here or refused by name. When a cluster is deleted, its scalable target goes with it: AWS does not document what
happens, and this is the case in which more is lost.
Source: Application Auto Scaling API Reference; botocore's model for the members of requests and responses.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from botocore.validate import ParamValidator
from werkzeug.wrappers import Response

from devstack.aws.caller import Caller
from devstack.aws.error_responses import error_response
from devstack.aws.rds.dependents import ScalableTarget
from devstack.aws.rds.protocol import service_model
from devstack.aws.rds.state import RdsState, Region

SERVICE = "application-autoscaling"
DIMENSION = "rds:cluster:ReadReplicaCount"
CONFIGURATIONS = {
    "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
    "StepScaling": "StepScalingPolicyConfiguration",
}
Members = dict[str, Any]


class ScalingError(Exception):
    """An error response: its code and message."""

    def __init__(self, code: str, message: str) -> None:
        """`code` as botocore's model lists it."""
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


def respond(state: RdsState, caller: Caller, operation: str, parameters: Members) -> Response:
    """Carry out one call."""
    try:
        with state.lock:
            state.apply_due_transitions()
            body = _carry_out(state, caller, operation, parameters)
    except ScalingError as error:
        return error_response(SERVICE, error.code, error.message, 400)
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    return Response(json.dumps(body), 200, headers, content_type="application/x-amz-json-1.1")


def _carry_out(state: RdsState, caller: Caller, operation: str, parameters: Members) -> Members:
    if operation not in OPERATIONS:
        raise ScalingError("ValidationException", f"The emulator does not model {operation}.")
    shape: Any = service_model(SERVICE).operation_model(operation).input_shape
    report: Any = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        raise ScalingError("ValidationException", report.generate_report())
    if (
        parameters.get("ServiceNamespace", "rds") != "rds"
        or parameters.get("ScalableDimension", DIMENSION) != DIMENSION
    ):
        raise ScalingError("ValidationException", f"The emulator models {DIMENSION} only.")
    return OPERATIONS[operation](state.region(caller.account, caller.region), parameters, state.clock.now())


def _register(region: Region, parameters: Members, now: datetime) -> Members:
    resource = parameters["ResourceId"]
    if "RoleARN" in parameters:
        raise ScalingError(
            "ValidationException", "The emulator does not model RoleARN: Aurora has a service-linked role."
        )
    if resource.removeprefix("cluster:") not in region.clusters:
        raise ScalingError("ValidationException", f"DB cluster doesn't exist: {resource}")
    target = region.scalable_targets.get(resource)
    if target is not None and "Tags" in parameters:
        raise ScalingError(
            "ValidationException",
            "The scalable target that you tried to tag already exists. To update tags on an existing scalable target, use "
            "the TagResource API.",
        )
    if target is None:
        if not {"MinCapacity", "MaxCapacity"} <= parameters.keys():
            raise ScalingError(
                "ValidationException", "MinCapacity and MaxCapacity are required for a new scalable target."
            )
        target = ScalableTarget(_new_target(region, resource, now), parameters.get("Tags", {}))
    limits: Members = {name: parameters[name] for name in ("MinCapacity", "MaxCapacity") if name in parameters}
    suspended: Members = target.shown["SuspendedState"] | parameters.get("SuspendedState", {})
    shown = {**target.shown, **limits, "SuspendedState": suspended}
    if shown["MinCapacity"] > shown["MaxCapacity"]:
        raise ScalingError("ValidationException", "MaxCapacity must be greater than or equal to MinCapacity.")
    target.shown = shown
    region.scalable_targets[resource] = target
    return {"ScalableTargetARN": shown["ScalableTargetARN"]}


def _new_target(region: Region, resource: str, now: datetime) -> Members:
    """All members, nothing suspended."""
    role = "AWSServiceRoleForApplicationAutoScaling_RDSCluster"
    return {
        **_place(resource),
        "RoleARN": f"arn:aws:iam::{region.account}:role/aws-service-role/rds.application-autoscaling.amazonaws.com/{role}",
        "CreationTime": now.timestamp(),
        "SuspendedState": {
            "DynamicScalingInSuspended": False,
            "DynamicScalingOutSuspended": False,
            "ScheduledScalingSuspended": False,
        },
        "ScalableTargetARN": f"arn:aws:{SERVICE}:{region.name}:{region.account}:scalable-target/{uuid.uuid4().hex}",
    }


def _deregister(region: Region, parameters: Members, _: datetime) -> Members:
    """Its policies and scheduled actions go with it."""
    if region.scalable_targets.pop(parameters["ResourceId"], None) is None:
        raise ScalingError("ObjectNotFoundException", f"No scalable target found for {parameters['ResourceId']}")
    return {}


def _put_policy(region: Region, parameters: Members, now: datetime) -> Members:
    target, name = _find(region, parameters), parameters["PolicyName"]
    existing = target.policies.get(name, {})
    kind = parameters.get("PolicyType", existing.get("PolicyType"))
    if kind not in CONFIGURATIONS or CONFIGURATIONS[kind] not in {**existing, **parameters}:
        raise ScalingError(
            "ValidationException", f"The policy {name} needs a PolicyType for Aurora and its configuration."
        )
    target.policies[name] = {
        "PolicyARN": f"arn:aws:autoscaling:{region.name}:{region.account}:scalingPolicy:{uuid.uuid4()}:policyName/{name}",
        "CreationTime": now.timestamp(),
        **existing,
        **parameters,
        "PolicyType": kind,
    }
    return {"PolicyARN": target.policies[name]["PolicyARN"], "Alarms": []}


def _delete_policy(region: Region, parameters: Members, _: datetime) -> Members:
    if _find(region, parameters).policies.pop(parameters["PolicyName"], None) is None:
        raise ScalingError("ObjectNotFoundException", f"No scaling policy found: {parameters['PolicyName']}")
    return {}


def _put_action(region: Region, parameters: Members, now: datetime) -> Members:
    target, name = _find(region, parameters), parameters["ScheduledActionName"]
    existing = target.actions.get(name, {})
    if "Schedule" not in {**existing, **parameters}:
        raise ScalingError("ValidationException", "Schedule is required for a new scheduled action.")
    target.actions[name] = {
        "ScheduledActionARN": f"arn:aws:autoscaling:{region.name}:{region.account}:scheduledAction:{name}",
        "CreationTime": now.timestamp(),
        **existing,
        **parameters,
    }
    return {}


def _describe_targets(region: Region, parameters: Members, _: datetime) -> Members:
    wanted = parameters.get("ResourceIds")
    found = [each.shown for key, each in region.scalable_targets.items() if wanted is None or key in wanted]
    return _page(found, parameters, "ScalableTargets", 50, "ResourceId")


def _describe_policies(region: Region, parameters: Members, _: datetime) -> Members:
    found = [policy for target in _targets(region, parameters) for policy in target.policies.values()]
    wanted = parameters.get("PolicyNames")
    named = [policy for policy in found if wanted is None or policy["PolicyName"] in wanted]
    return _page(named, parameters, "ScalingPolicies", 10, "PolicyName")


def _describe_actions(region: Region, parameters: Members, _: datetime) -> Members:
    found = [action for target in _targets(region, parameters) for action in target.actions.values()]
    wanted = parameters.get("ScheduledActionNames")
    named = [action for action in found if wanted is None or action["ScheduledActionName"] in wanted]
    return _page(named, parameters, "ScheduledActions", 50, "ScheduledActionName")


def _list_tags(region: Region, parameters: Members, _: datetime) -> Members:
    for target in region.scalable_targets.values():
        if target.shown["ScalableTargetARN"] == parameters["ResourceARN"]:
            return {"Tags": target.tags}
    raise ScalingError("ResourceNotFoundException", f"{parameters['ResourceARN']} does not exist.")


def _page(found: list[Members], parameters: Members, result: str, most: int, key: str) -> Members:
    """One page after the item that NextToken names."""
    after = parameters.get("NextToken", "")
    rest = sorted((each for each in found if each[key] > after), key=lambda each: str(each[key]))
    size = min(parameters.get("MaxResults", most), most)
    following = {"NextToken": rest[size - 1][key]} if len(rest) > size else {}
    return {result: rest[:size], **following}


def _targets(region: Region, parameters: Members) -> list[ScalableTarget]:
    wanted = parameters.get("ResourceId")
    return [each for key, each in region.scalable_targets.items() if wanted in (None, key)]


def _find(region: Region, parameters: Members) -> ScalableTarget:
    target = region.scalable_targets.get(parameters["ResourceId"])
    if target is None:
        raise ScalingError(
            "ObjectNotFoundException",
            f"No scalable target registered for service namespace: rds, resource ID: {parameters['ResourceId']}",
        )
    return target


def _place(resource: str) -> Members:
    """The members that name a scalable target."""
    return {"ServiceNamespace": "rds", "ResourceId": resource, "ScalableDimension": DIMENSION}


OPERATIONS: Mapping[str, Callable[[Region, Members, datetime], Members]] = {
    "DeleteScalingPolicy": _delete_policy,
    "DeregisterScalableTarget": _deregister,
    "DescribeScalableTargets": _describe_targets,
    "DescribeScalingPolicies": _describe_policies,
    "DescribeScheduledActions": _describe_actions,
    "ListTagsForResource": _list_tags,
    "PutScalingPolicy": _put_policy,
    "PutScheduledAction": _put_action,
    "RegisterScalableTarget": _register,
}
