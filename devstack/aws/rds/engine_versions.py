"""Engine versions and instance classes: a selection of what AWS has had, the same in every region.

Sources: Aurora PostgreSQL and Aurora MySQL release notes; RDS API Reference, DescribeDBEngineVersions and
DescribeOrderableDBInstanceOptions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from devstack.aws.rds import requests
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.state import Call, Region

MAX_CAPACITY_UNITS = 256.0
"""The largest MaxCapacity of Serverless v2. Source: RDS API Reference, ServerlessV2ScalingConfiguration."""
ENGINES = {"aurora-postgresql": 5432, "aurora-mysql": 3306}
"""Engine to default port."""

_VERSIONS = {
    "aurora-postgresql": [
        "13.18", "13.20", "14.15", "14.17", "14.18", "15.4", "15.10", "15.12", "15.13",
        "16.4", "16.6", "16.8", "16.9", "17.4", "17.5",
    ],
    "aurora-mysql": [
        "8.0.mysql_aurora.3.04.3", "8.0.mysql_aurora.3.05.2",
        "8.0.mysql_aurora.3.08.2", "8.0.mysql_aurora.3.10.0",
    ],
}  # fmt: skip
_RETIRED = {"aurora-postgresql": ["16.1", "15.2"], "aurora-mysql": []}
"""Listed only with IncludeAll, with the status deprecated; nothing can be created with them any more."""
_DEFAULTS = {"aurora-postgresql": "16.6", "aurora-mysql": "8.0.mysql_aurora.3.08.2"}
_DESCRIPTIONS = {"aurora-postgresql": "Aurora PostgreSQL", "aurora-mysql": "Aurora MySQL"}
_CLASSES = [
    "db.r5.large", "db.r5.xlarge", "db.r6g.large", "db.r6g.xlarge", "db.r6g.2xlarge", "db.r7g.large",
    "db.serverless", "db.t3.medium", "db.t4g.large", "db.t4g.medium", "db.x2g.large",
]  # fmt: skip
_ZONES = {"db.x2g.large": "c"}
"""The letters of the zones that have a class; every other class is in all zones. A large class is often in few."""
_LOG_TYPES = {
    "aurora-postgresql": ["iam-db-auth-error", "instance", "postgresql"],
    "aurora-mysql": ["audit", "error", "general", "iam-db-auth-error", "instance", "slowquery"],
}
"""Source: RDS API Reference, CreateDBCluster, EnableCloudwatchLogsExports."""
_WITHOUT_AUTO_PAUSE = {"15.4", "8.0.mysql_aurora.3.04.3", "8.0.mysql_aurora.3.05.2"}
"""Of `_VERSIONS`. Source: AWS, "Amazon Aurora Serverless v2 supports scaling to zero capacity", 20 November 2024."""
_WITHOUT_WRITE_FORWARDING = {"13.18", "13.20", "15.4"}
"""Of `_VERSIONS`. Source: Aurora User Guide, "Local write forwarding in Aurora PostgreSQL"."""
CERTIFICATES = ["rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"]


@dataclass(frozen=True)
class EngineVersion:
    """One version of an engine."""

    engine: str
    version: str
    retired: bool = False

    @property
    def order(self) -> tuple[int, ...]:
        """The sort key among the versions of one engine."""
        return order_of(self.version)

    @property
    def major(self) -> str:
        """MajorEngineVersion: `16`, or `8.0` for MySQL."""
        return "8.0" if self.engine == "aurora-mysql" else self.version.split(".")[0]

    @property
    def family(self) -> str:
        """DBParameterGroupFamily."""
        return f"{self.engine}{self.major}"

    @property
    def min_capacity(self) -> float:
        """The smallest MinCapacity of Serverless v2, in ACUs; 0 if the version supports auto-pause."""
        return 0.5 if self.version in _WITHOUT_AUTO_PAUSE else 0.0

    @property
    def forwards_writes(self) -> bool:
        """Whether readers can forward writes to the writer."""
        return self.version not in _WITHOUT_WRITE_FORWARDING

    @property
    def is_default(self) -> bool:
        """Whether a call without a version gets this one."""
        return self.version == _DEFAULTS[self.engine]


VERSIONS = [EngineVersion(engine, version) for engine, versions in _VERSIONS.items() for version in versions]
RETIRED = [
    EngineVersion(engine, version, retired=True) for engine, versions in _RETIRED.items() for version in versions
]


def order_of(version: str) -> tuple[int, ...]:
    """The numbers in a version, so that 16.10 sorts after 16.9."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def check_engine(engine: str) -> None:
    """Raise RdsError for an engine that the emulator does not have."""
    if engine not in ENGINES:
        raise RdsError("InvalidParameterValue", f"Invalid DB engine: {engine}. The emulator has {', '.join(ENGINES)}.")


def resolve_version(engine: str, version: str | None) -> EngineVersion:
    """The requested version, or the engine's default, which is MySQL's `8.0` too. Raises RdsError if it does not exist.

    Source: RDS API Reference, CreateDBCluster, EngineVersion.
    """
    check_engine(engine)
    requested = version or _DEFAULTS[engine]
    if (engine, requested) == ("aurora-mysql", "8.0"):
        requested = _DEFAULTS[engine]
    for each in VERSIONS:
        if (each.engine, each.version) == (engine, requested):
            return each
    raise RdsError("InvalidParameterCombination", f"Cannot find version {requested} for {engine}")


def check_class(engine: str, version: str, instance_class: str) -> None:
    """Raise RdsError for an instance class that cannot be ordered."""
    if instance_class not in _CLASSES:
        raise RdsError(
            "InvalidParameterCombination",
            "RDS does not support creating a DB instance with the following combination: "
            f"DBInstanceClass={instance_class}, Engine={engine}, EngineVersion={version}, "
            f"LicenseModel={license_model(engine)}. For supported combinations of instance class and database "
            "engine version, see the documentation.",
        )


def license_model(engine: str) -> str:
    """LicenseModel of an engine."""
    return "postgresql-license" if engine == "aurora-postgresql" else "general-public-license"


def default_option_group(engine: str, version: str) -> str:
    """The name of the option group that an Aurora instance always has."""
    major = "8-0" if engine == "aurora-mysql" else version.partition(".")[0]
    return f"default:{engine}-{major}"


def check_log_types(version: EngineVersion, log_types: list[str]) -> None:
    """Raise RdsError for a log type that the version does not export. The text is RDS's own, as users report it."""
    unknown = [f"'{each}'" for each in log_types if each not in _LOG_TYPES[version.engine]]
    if unknown:
        raise RdsError(
            "InvalidParameterCombination",
            f"You cannot use the log types {', '.join(unknown)} with engine version {version.engine} "
            f"{version.version}. For supported log types, see the documentation.",
        )


def zones_of(region: Region, instance_class: str) -> list[str]:
    """The zones of a region that have an instance class."""
    letters = _ZONES.get(instance_class, "abc")
    return [zone for zone in region.availability_zones if zone[-1] in letters]


@serves(
    "DescribeDBEngineVersions",
    models="DBParameterGroupFamily DefaultOnly Engine EngineVersion Filters IncludeAll Marker MaxRecords",
)
def describe_db_engine_versions(call: Call) -> dict[str, Any]:
    """The versions of an engine; `EngineVersion` may also be a major version such as `16`."""
    parameters = call.parameters
    filters = requests.filters(
        parameters, ("db-parameter-group-family", "engine", "engine-mode", "engine-version", "status")
    )
    engine, version = parameters.get("Engine"), parameters.get("EngineVersion")
    family, default_only = parameters.get("DBParameterGroupFamily"), parameters.get("DefaultOnly", False)
    matching = [
        each
        for each in (VERSIONS + RETIRED if parameters.get("IncludeAll") else VERSIONS)
        if engine in (None, each.engine)
        and version in (None, each.version, each.major)
        and family in (None, each.family)
        and (each.is_default or not default_only)
        and requests.matches_filter(filters, "engine", each.engine)
        and requests.matches_filter(filters, "engine-version", each.version)
        and requests.matches_filter(filters, "db-parameter-group-family", each.family)
        and requests.matches_filter(filters, "engine-mode", "provisioned")
        and requests.matches_filter(filters, "status", _status(each))
    ]
    page, marker = requests.page(parameters, matching, key=_sort_key)
    return {"DBEngineVersions": [_version_response(each) for each in page], "Marker": marker}


def _status(version: EngineVersion) -> str:
    return "deprecated" if version.retired else "available"


def _sort_key(version: EngineVersion) -> str:
    return version.engine + "".join(f"{number:06d}" for number in version.order)


def _version_response(version: EngineVersion) -> dict[str, Any]:
    return {
        "DBEngineDescription": _DESCRIPTIONS[version.engine],
        "DBEngineVersionDescription": f"{_DESCRIPTIONS[version.engine]} (compatible with {version.version})",
        "DBParameterGroupFamily": version.family,
        "Engine": version.engine,
        "EngineVersion": version.version,
        "ExportableLogTypes": _LOG_TYPES[version.engine],
        "MajorEngineVersion": version.major,
        "ServerlessV2FeaturesSupport": {"MinCapacity": version.min_capacity, "MaxCapacity": MAX_CAPACITY_UNITS},
        "Status": _status(version),
        "SupportedCACertificateIdentifiers": CERTIFICATES,
        "SupportedEngineModes": ["provisioned"],
        "SupportsGlobalDatabases": True,
        "SupportsLocalWriteForwarding": version.forwards_writes,
        "SupportsLogExportsToCloudwatchLogs": True,
        "SupportsReadReplica": False,
        "ValidUpgradeTarget": [_upgrade(version, target) for target in VERSIONS if _can_upgrade(version, target)],
    }


def _can_upgrade(version: EngineVersion, target: EngineVersion) -> bool:
    return version.engine == target.engine and version.order < target.order


def _upgrade(version: EngineVersion, target: EngineVersion) -> dict[str, Any]:
    return {
        "AutoUpgrade": False,
        "Description": f"{_DESCRIPTIONS[target.engine]} (compatible with {target.version})",
        "Engine": target.engine,
        "EngineVersion": target.version,
        "IsMajorVersionUpgrade": version.major != target.major,
    }


@serves(
    "DescribeOrderableDBInstanceOptions",
    models="DBInstanceClass Engine EngineVersion LicenseModel Marker MaxRecords Vpc",
)
def describe_orderable_db_instance_options(call: Call) -> dict[str, Any]:
    """The instance classes that each version supports."""
    parameters = call.parameters
    check_engine(parameters["Engine"])
    engine, requested_license = parameters["Engine"], parameters.get("LicenseModel")
    version_name, class_name = parameters.get("EngineVersion"), parameters.get("DBInstanceClass")
    in_vpc = parameters.get("Vpc", True)
    matching = [
        (version, instance_class)
        for version in VERSIONS
        for instance_class in _CLASSES
        if version.engine == engine
        and version_name in (None, version.version)
        and class_name in (None, instance_class)
        and requested_license in (None, license_model(engine))
        and in_vpc
    ]
    # Source: RDS API Reference, DescribeOrderableDBInstanceOptions, MaxRecords.
    page, marker = requests.page(
        parameters, matching, key=lambda each: _sort_key(each[0]) + each[1], sizes=range(20, 1001)
    )
    options = [_option(call.region, version, instance_class) for version, instance_class in page]
    return {"OrderableDBInstanceOptions": options, "Marker": marker}


def _option(region: Region, version: EngineVersion, instance_class: str) -> dict[str, Any]:
    return {
        "AvailabilityZones": [{"Name": zone} for zone in zones_of(region, instance_class)],
        "DBInstanceClass": instance_class,
        "Engine": version.engine,
        "EngineVersion": version.version,
        "LicenseModel": license_model(version.engine),
        "MultiAZCapable": False,
        "StorageType": "aurora",
        "SupportedEngineModes": ["provisioned"],
        "SupportsClusters": True,
        "SupportsGlobalDatabases": True,
        "SupportsIAMDatabaseAuthentication": True,
        "SupportsStorageEncryption": True,
        "Vpc": True,
    }
