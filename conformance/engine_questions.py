"""The questions about versions and classes, of Aurora PostgreSQL and of Aurora MySQL. They change nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from conformance import members
from conformance.account import Account
from conformance.anonymiser import Json
from conformance.expectations import Contains, Members, Value
from conformance.questions import API, GUIDE, ReadQuestion

ENGINE, MYSQL = "aurora-postgresql", "aurora-mysql"
"""The engine of the throw-away cluster, and the other one."""
LOGS: dict[str, list[Json]] = {
    ENGINE: ["iam-db-auth-error", "instance", "postgresql"],
    MYSQL: ["audit", "error", "general", "iam-db-auth-error", "instance", "slowquery"],
}
AUTHORITIES: list[Json] = ["rds-ca-ecc384-g1", "rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1"]


def _default_versions(engine: str, account: Account) -> list[dict[str, Any]]:
    answer = account.ask("describe_db_engine_versions", {"Engine": engine, "DefaultOnly": True})
    found: list[dict[str, Any]] = answer["DBEngineVersions"]
    return found


def default_version(account: Account, engine: str = ENGINE) -> str:
    """The version that a new cluster gets, if none is asked for."""
    return str(_default_versions(engine, account)[0].get("EngineVersion"))


def earlier_version(account: Account, version: str) -> str | None:
    """The newest earlier minor version of Aurora PostgreSQL that is offered, or None."""
    major = version.partition(".")[0]
    listed = account.resources("describe_db_engine_versions", "DBEngineVersions", Engine=ENGINE, EngineVersion=major)
    earlier = [
        str(each.get("EngineVersion")) for each in listed if _numbers(each.get("EngineVersion")) < _numbers(version)
    ]
    return max(earlier, key=_numbers, default=None)


def _numbers(version: object) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(version))]


def _count_defaults(engine: str, account: Account) -> Json:
    return len(_default_versions(engine, account))


def _family_follows_version(engine: str, account: Account) -> Json:
    return [
        "engine and major version"
        if each.get("DBParameterGroupFamily") == f"{engine}{_major(engine, str(each.get('EngineVersion')))}"
        else account.anonymiser.clean(str(each.get("DBParameterGroupFamily")))
        for each in _default_versions(engine, account)
    ]


def _major(engine: str, version: str) -> str:
    """`16` of 16.6, and `8.0` of 8.0.mysql_aurora.3.08.2."""
    return version.partition("." if engine == ENGINE else ".mysql_aurora")[0]


def _values(member: str, engine: str, account: Account) -> Json:
    return sorted({str(value) for each in _default_versions(engine, account) for value in each.get(member, [])})


def _version_members(engine: str, account: Account) -> Json:
    return [sorted(each) for each in _default_versions(engine, account)]


def _orderable_classes(engine: str, account: Account) -> Json:
    options = account.rds().get_paginator("describe_orderable_db_instance_options")
    pages = options.paginate(Engine=engine, EngineVersion=default_version(account, engine))
    return sorted({option["DBInstanceClass"] for page in pages for option in page["OrderableDBInstanceOptions"]})


def _of_engine(engine: str, ending: str) -> Iterator[ReadQuestion]:
    """The questions about one engine; the names of those about Aurora MySQL have an ending."""
    of_default = f"the default version of {engine}"
    for name, about, expected, source, ask in (
        ("one-default-version", f"how many versions of {engine} are the default", Value(1), API, _count_defaults),
        ("family-of-a-version", f"the parameter group family of {of_default}", Value(["engine and major version"]), API,
         _family_follows_version),
        ("exported-logs", f"the log types that {of_default} exports", Value(LOGS[engine]), API,
         partial(_values, "ExportableLogTypes")),
        ("authorities", f"the certificate authorities that {of_default} supports", Value(AUTHORITIES), GUIDE,
         partial(_values, "SupportedCACertificateIdentifiers")),
        ("members-of-a-version", f"the members of {of_default} in DescribeDBEngineVersions",
         Members(members.VERSION_ALWAYS, members.VERSION_SOMETIMES), API, _version_members),
        ("orderable-classes", f"the instance classes of {of_default}", Contains(members.CLASSES), API, _orderable_classes),
    ):  # fmt: skip
        yield ReadQuestion(f"{name}{ending}", about, expected, source, partial(ask, engine))


ENGINE_QUESTIONS: tuple[ReadQuestion, ...] = (*_of_engine(ENGINE, ""), *_of_engine(MYSQL, "-of-mysql"))
