"""The settings of the cluster that one operation restores: the request's over the existing target's."""

from models.configuration import ClusterConfiguration, ClusterSettings, merge_settings
from models.request import Target


def restored_settings(target: Target, existing: ClusterSettings | None, operation_id: str) -> ClusterSettings:
    """The settings, as far as they are known.

    With a swap the instances have other names than those of the old cluster, which still exists.
    """
    settings = merge_settings(target, existing)
    if not target.swaps:
        return settings
    instances = tuple(
        instance.model_copy(update={"identifier": f"{target.cluster}-{operation_id}-{number}"})
        for number, instance in enumerate(settings.instances or (), start=1)
    )
    return settings.model_copy(update={"instances": instances or None})


def restored_configuration(target: Target, existing: ClusterSettings | None, operation_id: str) -> ClusterConfiguration:
    """All the settings. Raises `ValidationError` if a required one is missing."""
    settings = restored_settings(target, existing, operation_id)
    return ClusterConfiguration(**{name: getattr(settings, name) for name in ClusterSettings.model_fields})
