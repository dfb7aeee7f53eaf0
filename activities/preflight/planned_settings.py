"""The settings of the restored cluster, each with where it comes from: what a plan prints."""

from __future__ import annotations

from dataclasses import dataclass

from activities.preflight.preflight import ExistingTarget
from models.configuration import REQUIRED, ClusterSettings, merge_settings
from models.request import Target


@dataclass(frozen=True)
class Setting:
    """One setting of the restored cluster; the value None means that RDS chooses it."""

    name: str
    value: object
    origin: str
    """Where the value comes from, in words."""


def planned_settings(requested: Target, target: ExistingTarget) -> list[Setting]:
    """Every setting: the request's over those of the existing target."""
    chosen = merge_settings(requested, target.settings)
    return [
        Setting(name, getattr(chosen, name), _origin(name, requested, target)) for name in ClusterSettings.model_fields
    ]


def _origin(name: str, requested: Target, target: ExistingTarget) -> str:
    if getattr(requested, name) is not None:
        return "from the request"
    if getattr(target.settings, name, None) is not None:
        is_live = target.observed and getattr(target.live_settings, name, None) == getattr(target.settings, name)
        return "from the live target" if is_live else "from the trail's record of the deleted target"
    return "missing" if name in REQUIRED else "RDS default"
