"""Whether the restore can succeed, as far as AWS's Describe calls can tell: checked before hours of copying."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from activities.preflight.context import RestoreContext
from activities.preflight.encryption import EncryptionChecks
from activities.preflight.engine import EngineChecks
from activities.preflight.guards import PreflightCheck, Violation
from activities.preflight.instances import InstanceChecks
from activities.preflight.network import NetworkChecks
from activities.preflight.quarantine import quarantine_checks
from activities.preflight.quotas import Freed, QuotaChecks
from activities.preflight.secrets import SecretChecks
from activities.preflight.tag_count import tag_checks
from activities.preflight.windows import window_checks
from activities.rds.aws_errors import answer_if_exists
from activities.rds.surroundings.scaling import find_mistake


def prerequisite_checks(context: RestoreContext, freed: Freed) -> list[PreflightCheck]:
    """The checks of everything that the later steps need. `freed` is what the deletion of the target frees."""
    return [
        *NetworkChecks(context).checks(),
        *quarantine_checks(context),
        *EngineChecks(context).checks(),
        *InstanceChecks(context).checks(),
        *EncryptionChecks(context).checks(),
        *window_checks(context.step_input.target, context.settings),
        *tag_checks(context),
        *QuotaChecks(context, freed).checks(),
        PreflightCheck(("scaling-policy",), lambda: _find_scaling_mistakes(context)),
        *SecretChecks(context).checks(),
        PreflightCheck(("topic",), lambda: _find_missing_topics(context)),
    ]


def _find_scaling_mistakes(context: RestoreContext) -> Iterator[Violation]:
    """Of the policies of the request: AWS has accepted those of an existing target."""
    scalable = context.step_input.target.scalable_target
    for policy in scalable.policies if scalable else ():
        if mistake := find_mistake(policy):
            text = (
                f"the configuration of the scaling policy {policy.name} is not what PutScalingPolicy takes: {mistake}. "
                "Correct target.scalable_target.policies."
            )
            yield Violation("scaling-policy", "Scaling policy not valid", text)


def _find_missing_topics(context: RestoreContext) -> Iterator[Violation]:
    """A restore that can notify nobody of its outcome does not begin."""
    step_input = context.step_input
    for topic in step_input.notification.topic_arns:
        sns = context.aws.sns(step_input.target, step_input.operation_id, topic)
        if answer_if_exists(partial(sns.get_topic_attributes, TopicArn=topic)) is None:
            text = f"the topic {topic} does not exist, so that nobody would be notified. Create it or correct the ARN."
            yield Violation("topic", "Topic not found", text)
