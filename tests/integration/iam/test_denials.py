"""No statement that denies is superfluous: each denies a call that nothing else does."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from devstack.iam.evaluation import AccessRequest, evaluate, statements
from tests.rigs.iam.deployments import Deployment
from tests.rigs.iam.owners import OPT_IN
from tests.rigs.iam.template import ROLES, document

_RDS = "arn:aws:rds:eu-central-1:610000000003"
_SOURCE = "arn:aws:rds:eu-west-1:610000000002:cluster:orders"
_ROW = AccessRequest("dynamodb:UpdateItem", "arn:aws:dynamodb:eu-central-1:610000000001:table/aurora-restore-audit")
DENIED: Mapping[str, Mapping[str, AccessRequest]] = {
    "worker": {"NoRowIsChangedOrDeleted": _ROW},
    "operator": {"NoRowIsChangedOrDeleted": _ROW},
    "source": {"TheSourceIsOnlyRead": AccessRequest("rds:DeleteDBCluster", _SOURCE)},
    "target": {
        "NeverTheSource": AccessRequest("rds:StopDBCluster", _SOURCE),
        "OnlyWhatOptedIn": AccessRequest("rds:DeleteDBCluster", f"{_RDS}:cluster:staging-1"),
        "OnlyOwnCopies": AccessRequest("rds:DeleteDBClusterSnapshot", f"{_RDS}:cluster-snapshot:aurora-restore-1"),
        "OnlyMaskedIsShared": AccessRequest(
            "rds:ModifyDBClusterSnapshotAttribute", f"{_RDS}:cluster-snapshot:aurora-restore-1"
        ),
        "NobodyElseOptsIn": AccessRequest(
            "rds:AddTagsToResource",
            f"{_RDS}:cluster:analytics",
            {"aws:TagKeys": (OPT_IN,), "aws:RequestTag/aurora-restore:restored-from": ("-",)},
        ),
        "OptInComesWithTheRestore": AccessRequest(
            "rds:AddTagsToResource", f"{_RDS}:cluster:staging-1", {"aws:TagKeys": (OPT_IN,)}
        ),
        "NoTagIsRemoved": AccessRequest(
            "rds:RemoveTagsFromResource", f"{_RDS}:cluster:staging-1", {"aws:TagKeys": (OPT_IN,)}
        ),
        "NeverPublic": AccessRequest(
            "rds:CreateDBInstance", f"{_RDS}:db:staging-1-1", {"rds:PubliclyAccessible": ("true",)}
        ),
    },
}
"""By role and statement, a request that only this statement denies."""
ALLOW_EVERYTHING = {"Sid": "Everything", "Effect": "Allow", "Action": "*", "Resource": "*"}


@pytest.mark.parametrize("role", ROLES)
def test_every_statement_that_denies_is_needed(role: str, separate_accounts: Deployment) -> None:
    """Without the statement, a role with a policy that allows everything could make the call."""
    policy = separate_accounts.iam.roles[separate_accounts.layout.role_arn(role)].policy
    denials = [statement for statement in policy if not statement.allows]
    with_everything = [*denials, *statements({"Statement": [ALLOW_EVERYTHING]})]
    for sid, request in DENIED[role].items():
        assert evaluate(with_everything, request).sid == sid
        others = [statement for statement in with_everything if statement.sid != sid]
        assert evaluate(others, request).allowed, f"another statement denies what {sid} denies"
    assert set(DENIED[role]) == {each["Sid"] for each in document(role)["Statement"] if each["Effect"] == "Deny"}
