"""The target as the pipeline may touch it: every change checks the account first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from activities.rds.target import TargetCluster
from errors import Refused
from models.configuration import AssociatedRole, CustomEndpoint, ProxyTarget
from models.scaling import ScalableTarget
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, CHANGING, OTHER_ACCOUNT

PROXY_TARGET = ProxyTarget(proxy_name="orders", target_group_name="default")
SCALABLE = ScalableTarget(min_capacity=1, max_capacity=2)
CHANGES: dict[str, Callable[[TargetCluster], object]] = {
    "start_copy": lambda target: target.start_copy(),
    "take_snapshot": lambda target: target.take_snapshot(),
    "share_snapshot": lambda target: target.share_snapshot("snapshot", (ACCOUNT,)),
    "restore": lambda target: target.restore(),
    "create_instance": lambda target: target.create_instance(),
    "modify": lambda target: target.modify(),
    "add_role": lambda target: target.add_role(AssociatedRole(role_arn="role")),
    "enable_http_endpoint": lambda target: target.enable_http_endpoint("arn"),
    "create_custom_endpoint": lambda target: target.create_custom_endpoint(CustomEndpoint(identifier="reports"), {}),
    "add_tags": lambda target: target.add_tags("arn", {}),
    "delete_members": lambda target: target.delete_members({}, lambda: None),
    "delete_cluster": lambda target: target.delete_cluster(),
    "start": lambda target: target.start(),
    "stop": lambda target: target.stop(),
    "reboot_instance": lambda target: target.reboot_instance("instance"),
    "register_with_proxy": lambda target: target.register_with_proxy(PROXY_TARGET),
    "register_scalable_target": lambda target: target.register_scalable_target(SCALABLE),
    "delete_copy": lambda target: target.delete_copy("copy"),
    "delete_copy_unless_busy": lambda target: target.delete_copy_unless_busy("copy"),
}


def target_cluster(rig: ActivityRig, **changed: Any) -> TargetCluster:
    return TargetCluster(rig.aws, rig.target.model_copy(update=changed), rig.operation_id)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_change_is_sent_to_another_account(rig: ActivityRig, change: Callable[[TargetCluster], object]) -> None:
    """RDS is not even called."""
    target = target_cluster(rig, account_id=OTHER_ACCOUNT)
    with pytest.raises(Refused) as refused:
        change(target)
    assert refused.value.fault.short == "Wrong AWS account"
    assert refused.value.fault.message == (
        f"[target-account] the credentials for the target belong to account {ACCOUNT}, but the request names account "
        f"{OTHER_ACCOUNT}. Correct target.account_id or target.role_arn."
    )
    assert [call.operation for call in rig.emulator.calls] == ["GetCallerIdentity"]


def test_every_method_that_changes_something_is_tested_here() -> None:
    """The reads have names that say so."""
    reads = (
        "caller_account",
        "check_account",
        "environment",
        "name",
        "operation_tag",
        "renamed",
        "read",
        "find",
        "list",
        "search",
    )
    methods = {name for name in vars(TargetCluster) if not name.startswith("_")}
    assert {name for name in methods if not name.startswith(reads)} == set(CHANGES)


def test_the_account_is_read_once(rig: ActivityRig) -> None:
    """Before the first change, and not again for the next one."""
    rig.make_target(instances=0)
    target = target_cluster(rig)
    rig.clear_calls()
    assert target.find() is not None
    target.add_tags(rig.target.arn, {"a": "1"})
    target.add_tags(rig.target.arn, {"b": "2"})
    assert [call.operation for call in rig.emulator.calls] == [
        "DescribeDBClusters",
        "GetCallerIdentity",
        "AddTagsToResource",
        "AddTagsToResource",
    ]


def test_reads_need_no_account(rig: ActivityRig) -> None:
    """A plan or an inventory of a wrong account says what it finds there."""
    target = target_cluster(rig, account_id=OTHER_ACCOUNT)
    rig.clear_calls()
    assert target.find() is None
    assert target.list_own_copies() == []
    assert not any(call.operation.startswith((*CHANGING, "GetCallerIdentity")) for call in rig.emulator.calls)
