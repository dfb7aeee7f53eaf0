"""What depends on the snapshot's engine version: whether RDS offers it, parameter groups, log types, settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from activities.preflight.context import RestoreContext, known
from activities.preflight.guards import PreflightCheck, Violation
from limits import MAX_QUOTED, join_names

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBEngineVersionTypeDef


class EngineChecks:
    """Checked in the target's account and region."""

    def __init__(self, context: RestoreContext) -> None:
        """`context` is the planned restore."""
        self._context = context
        self._settings = context.settings
        self._version = f"{context.snapshot.engine} {context.version}"

    def checks(self) -> list[PreflightCheck]:
        """One check for each kind of resource."""
        return [
            PreflightCheck(("engine-version",), self._check_engine_version),
            PreflightCheck(("parameter-group", "parameter-group-family"), self._check_parameter_groups),
            PreflightCheck(("log-types",), self._check_log_types),
            PreflightCheck(("version-settings",), self._check_settings),
        ]

    def _check_engine_version(self) -> Iterator[Violation]:
        context, region = self._context, self._context.step_input.target.region
        engine, own = context.snapshot.engine, context.snapshot.engine_version
        upgrades = self._upgrades() if context.version != own else []
        if context.version not in (own, *upgrades):
            yield Violation(
                "engine-version",
                "Engine version not available",
                f"target.engine_version is {context.version}, but RDS upgrades {engine} {own}, the "
                f"snapshot's version, to {join_names(upgrades, MAX_QUOTED) or 'no other'} in {region}. Correct it.",
            )
        elif not context.offered_versions:
            yield Violation(
                "engine-version",
                "Engine version not available",
                f"RDS does not offer {engine} {context.version} in {region}. Upgrade the source, or set "
                f"target.engine_version to one that RDS upgrades it to: {join_names(self._upgrades(), MAX_QUOTED) or 'none'}.",
            )

    def _upgrades(self) -> list[str]:
        """The versions that RDS upgrades the snapshot's to, also if RDS no longer offers that one."""
        snapshot = self._context.snapshot
        versions = self._context.target.reader.describe_db_engine_versions(
            Engine=snapshot.engine, EngineVersion=snapshot.engine_version, IncludeAll=True
        )["DBEngineVersions"]
        upgrades = [upgrade for offered in versions for upgrade in offered.get("ValidUpgradeTarget", [])]
        return [upgrade["EngineVersion"] for upgrade in upgrades if "EngineVersion" in upgrade]

    def _check_parameter_groups(self) -> Iterator[Violation]:
        quarantine = self._context.step_input.target.quarantine
        in_quarantine = quarantine.db_cluster_parameter_group_name if quarantine else None
        for group in filter(None, (self._settings.db_cluster_parameter_group_name, in_quarantine)):
            families = self._context.cluster_group_families(group)
            yield from self._check_parameter_group("DB cluster parameter group", group, families)
        for name in dict.fromkeys(instance.db_parameter_group_name for instance in self._settings.instances or ()):
            if name:
                families = self._context.instance_group_families(name)
                yield from self._check_parameter_group("DB parameter group", name, families)

    def _check_parameter_group(self, kind: str, name: str, families: list[str]) -> Iterator[Violation]:
        if not families:
            yield self._context.missing_resource("parameter-group", "Parameter group not found", f"{kind} {name}")
            return
        expected = {offered["DBParameterGroupFamily"] for offered in self._known_versions()}
        if expected and not expected & set(families):
            yield Violation(
                "parameter-group-family",
                "Parameter group of another family",
                f"the {kind} {name} is of the family {families[0]}, but the snapshot's {self._version} needs "
                f"{' or '.join(sorted(expected))}: the source was upgraded. "
                "Name a parameter group of that family in the request.",
            )

    def _known_versions(self) -> list[DBEngineVersionTypeDef]:
        return known(lambda: self._context.offered_versions) or []

    def _check_log_types(self) -> Iterator[Violation]:
        """Source: RDS API Reference, DBEngineVersion, ExportableLogTypes; absent means that RDS does not say."""
        requested = self._settings.cloudwatch_logs_exports
        offered = [version.get("ExportableLogTypes") for version in self._known_versions()]
        if not requested or not offered or offered[0] is None:
            return
        unknown = sorted(set(requested) - set(offered[0]))
        if unknown:
            yield Violation(
                "log-types",
                "Log type not available",
                f"{self._version} does not export the log types {', '.join(unknown)}, but "
                f"{', '.join(sorted(offered[0])) or 'none'}. Correct target.cloudwatch_logs_exports.",
            )

    def _check_settings(self) -> Iterator[Violation]:
        """The live target may have settings that the older version of the snapshot does not support.

        Source: RDS API Reference, DBEngineVersion and, for backtracking, RestoreDBClusterFromSnapshot, BacktrackWindow.
        """
        for offered in self._known_versions()[:1]:
            for setting in self._unsupported_settings(offered):
                yield Violation(
                    "version-settings",
                    "Setting not available",
                    f"{self._version} does not support {setting}. Change it in the request, or upgrade the source.",
                )

    def _unsupported_settings(self, offered: DBEngineVersionTypeDef) -> Iterator[str]:
        """Each in the request's words. A member that RDS leaves out says nothing."""
        settings = self._settings
        lowest = offered.get("ServerlessV2FeaturesSupport", {}).get("MinCapacity", 0)
        scaling = settings.serverless_v2_scaling
        if scaling and scaling.min_capacity < lowest:
            yield f"serverless_v2_scaling.min_capacity {scaling.min_capacity:g}, but {lowest:g} and more"
        if settings.local_write_forwarding and offered.get("SupportsLocalWriteForwarding") is False:
            yield "local_write_forwarding"
        if settings.backtrack_window_seconds and offered.get("Engine") != "aurora-mysql":
            yield "backtrack_window_seconds"
        authorities = offered.get("SupportedCACertificateIdentifiers")
        for authority in dict.fromkeys(instance.ca_certificate_identifier for instance in settings.instances or ()):
            if authority and authorities is not None and authority not in authorities:
                yield f"ca_certificate_identifier {authority}, but {', '.join(sorted(authorities))}"
