"""read-schema logs in to the target of the request and to no other cluster."""

from __future__ import annotations

import pytest

from activities.database_users import DatabaseUserActivities
from activities.databases.connectors import DatabaseConnectors
from errors import Refused
from tests.rigs.activities import NEVER_USED, ActivityRig
from tests.rigs.activity_resources import OTHER_ACCOUNT, TARGET_REGION
from tests.rigs.requests import request


def refuse_to_read(rig: ActivityRig) -> str:
    """The short text with which the activity refuses; it has no database to log in to."""
    users = DatabaseUserActivities(rig.aws, DatabaseConnectors(rig.aws, NEVER_USED, NEVER_USED))
    rig.target = rig.target.model_copy(update={"master_user_secret_id": rig.make_secret("master", "unused")})
    asked = request().model_copy(update={"source": rig.source, "target": rig.target})
    rig.clear_calls()
    with pytest.raises(Refused) as refused:
        rig.run(users.read_schema, asked)
    assert not rig.calls("GetSecretValue")
    return refused.value.fault.short


def test_a_cluster_of_another_account_is_refused(rig: ActivityRig) -> None:
    """With the credentials of another account its cluster of the same name answers."""
    rig.make_target(instances=1)
    rig.target = rig.target.model_copy(update={"account_id": OTHER_ACCOUNT})
    assert refuse_to_read(rig) == "Wrong AWS account (and 1 more)"


def test_the_source_under_the_targets_name_is_refused(rig: ActivityRig) -> None:
    """The snapshot still has the resource id of the cluster that was renamed."""
    rig.source = rig.source.model_copy(update={"region": TARGET_REGION})
    rig.make_target(instances=1)
    rig.rename_target(rig.source.cluster)
    rig.source = rig.named_source(identifier=f"nightly-{rig.number}")
    rig.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=f"nightly-{rig.number}", DBClusterIdentifier=rig.source.cluster
    )
    rig.advance_clock()
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=rig.source.cluster, NewDBClusterIdentifier=rig.target.cluster, ApplyImmediately=True
    )
    rig.advance_clock()
    assert refuse_to_read(rig) == "Target is the source"
