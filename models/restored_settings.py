"""The settings of the cluster that one operation restores: the request's over the existing target's."""

from models.configuration import ClusterConfiguration, ClusterSettings, merge_settings
from models.request import Target

SURROUNDINGS = ("custom_endpoints", "proxy_targets", "scalable_target")
"""What belongs to the target until that is deleted, or names a cluster: a cluster beside it cannot have it."""


def restored_settings(target: Target, existing: ClusterSettings | None, operation_id: str) -> ClusterSettings:
    """The settings, as far as they are known.

    With a swap or a drill the instances have other names than those of the target, which still exists. A drill does
    without the target's surroundings, so that no client of the target is led to it.
    """
    settings = merge_settings(target, existing)
    if target.restored_as(operation_id) is target:
        return settings
    base = target.restored_as(operation_id).cluster if target.drills else f"{target.cluster}-{operation_id}"
    instances = tuple(
        instance.model_copy(update={"identifier": f"{base}-{number}"})
        for number, instance in enumerate(settings.instances or (), start=1)
    )
    without = dict.fromkeys(SURROUNDINGS) if target.drills else {}
    return settings.model_copy(update={"instances": instances or None, **without})


def restored_configuration(target: Target, existing: ClusterSettings | None, operation_id: str) -> ClusterConfiguration:
    """All the settings. Raises `ValidationError` if a required one is missing."""
    settings = restored_settings(target, existing, operation_id)
    return ClusterConfiguration(**{name: getattr(settings, name) for name in ClusterSettings.model_fields})
