"""What is around a cluster and goes with it: put back when the cluster is ready, one call at a time.

The restored cluster is usable without them, and its users are not set up yet. So a refusal here does not fail the step:
it is reported with AWS's words, and the comparison names what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from botocore.exceptions import ClientError

from activities.rds.aws_errors import action_for, pipeline_error_for
from activities.rds.fault_table import Action
from activities.rds.target import TargetCluster
from models.configuration import ClusterConfiguration

MAX_REFUSALS = 10
"""How many refusals are reported at most."""


@dataclass(frozen=True)
class Surroundings:
    """How far they are put back."""

    waiting_for: str | None
    refusals: tuple[str, ...] = ()
    """Why AWS refuses what is still missing."""


def put_back_surroundings(target: TargetCluster, configuration: ClusterConfiguration) -> Surroundings:
    """Make the next call that is missing: targets of proxies, then the scalable target, its policies and actions.

    The scalable target comes last: with it, Application Auto Scaling may add readers at once.
    """
    refusals: list[str] = []
    for put_back in _parts(target, configuration):
        try:
            waiting_for = put_back()
        except ClientError as error:
            waiting_for = _wait_after(error)
            if waiting_for is None:
                refusals.append(pipeline_error_for(error).fault.message)
        if waiting_for:
            return Surroundings(waiting_for)
    more = len(refusals) - MAX_REFUSALS
    return Surroundings(None, (*refusals[:MAX_REFUSALS], *([f"and {more} more"] if more > 0 else [])))


def _parts(target: TargetCluster, configuration: ClusterConfiguration) -> Iterator[Callable[[], str | None]]:
    for proxy in configuration.proxy_targets or ():
        yield partial(target.register_with_proxy, proxy)
    if configuration.scalable_target:
        yield partial(target.register_scalable_target, configuration.scalable_target)


def _wait_after(error: ClientError) -> str | None:
    """What is waited for; None if AWS refuses for good. Raises the error again if AWS is unavailable."""
    action = action_for(error)
    if action is Action.RETRY:
        raise error
    if action is Action.WAIT:
        return pipeline_error_for(error).fault.short
    return "AWS to list what an earlier call made" if action is Action.ADOPT else None
