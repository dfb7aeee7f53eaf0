"""The settings of the restored cluster, each with where it comes from: what a plan prints."""

from __future__ import annotations

from activities.preflight.preflight import ExistingTarget
from models.configuration import REQUIRED, ClusterSettings, merge_settings
from models.plan import Setting
from models.request import Target
from models.restored_settings import SURROUNDINGS
from models.setting_texts import describe_value


def planned_settings(requested: Target, target: ExistingTarget) -> tuple[Setting, ...]:
    """Every setting: the request's over those of the existing target. A drill has none of the target's surroundings."""
    chosen = merge_settings(requested, target.settings)
    return tuple(
        Setting(name=name, value=describe_value(getattr(chosen, name)), origin=_origin(name, requested, target))
        for name in ClusterSettings.model_fields
        if not (requested.drills and name in SURROUNDINGS)
    )


def _origin(name: str, requested: Target, target: ExistingTarget) -> str:
    if getattr(requested, name) is not None:
        return "from the request"
    if getattr(target.settings, name, None) is not None:
        is_live = target.observed and getattr(target.live_settings, name, None) == getattr(target.settings, name)
        return "from the live target" if is_live else "from the trail's record of the deleted target"
    return "missing" if name in REQUIRED else "RDS default"
