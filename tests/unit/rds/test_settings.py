"""The settings of the live target, as the restored cluster gets them."""

from __future__ import annotations

from typing import Any

from activities.rds.settings import read_settings


def settings_of(instances: list[Any] | None = None, **cluster: Any) -> Any:
    described: Any = {"DBClusterIdentifier": "staging", **cluster}
    return read_settings(described, instances or [], [], {})


def an_instance(name: str, *groups: str, instance_class: str = "db.r6g.large") -> Any:
    return {
        "DBInstanceIdentifier": name,
        "DBInstanceClass": instance_class,
        "DBInstanceStatus": "available",
        "DBParameterGroups": [{"DBParameterGroupName": group} for group in groups],
    }


def test_the_writer_is_the_first_instance() -> None:
    """The restored cluster's first instance becomes its writer, so that the classes stay where they were."""
    members = [
        {"DBInstanceIdentifier": "a", "IsClusterWriter": False},
        {"DBInstanceIdentifier": "b", "IsClusterWriter": False},
        {"DBInstanceIdentifier": "c", "IsClusterWriter": True},
    ]
    instances = [an_instance(name, instance_class=f"db.{name}") for name in ("b", "c", "a")]
    settings = settings_of(instances, DBClusterMembers=members)
    assert [instance.instance_class for instance in settings.instances] == ["db.c", "db.a", "db.b"]


def test_default_parameter_groups_are_left_to_rds() -> None:
    """They belong to one engine version; a custom group is kept."""
    instances = [
        an_instance("a", "default.aurora-postgresql16"),
        an_instance("b", "tuned"),
        an_instance("c", "default.x", "tuned"),
    ]
    settings = settings_of(instances, DBClusterParameterGroup="default.aurora-postgresql16")
    assert settings.db_cluster_parameter_group_name is None
    assert [instance.db_parameter_group_name for instance in settings.instances] == [None, "tuned", "tuned"]
    assert settings_of(DBClusterParameterGroup="tuned").db_cluster_parameter_group_name == "tuned"


def test_reserved_tags_are_not_copied() -> None:
    """AWS refuses its prefix in any case, and the pipeline sets its own tags anew."""
    keys = ("team", "aws:rds:x", "AWS:y", "aurora-restore:operation", "Aurora-Restore:kept")
    tag_list = [{"Key": key, "Value": "1"} for key in keys]
    assert settings_of(TagList=tag_list).tags == {"team": "1"}


def test_a_setting_that_the_cluster_does_not_have_is_none() -> None:
    """None is left to RDS; an empty list or tag set counts as none. RDS does not return the storage type aurora."""
    settings = settings_of(VpcSecurityGroups=[], TagList=[], EnabledCloudwatchLogsExports=[])
    assert settings.model_dump(exclude_none=True) == {"storage_type": "aurora"}


def test_the_scaling_of_a_serverless_cluster_is_kept() -> None:
    """Without it an instance of class db.serverless cannot be created."""
    scaling = {"MinCapacity": 0.5, "MaxCapacity": 16.0}
    settings = settings_of(ServerlessV2ScalingConfiguration=scaling)
    assert (settings.serverless_v2_scaling.min_capacity, settings.serverless_v2_scaling.max_capacity) == (0.5, 16.0)
