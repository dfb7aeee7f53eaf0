"""The master user's password: given by the caller, or managed in Secrets Manager.

Source: RDS API Reference, CreateDBCluster; Aurora User Guide, "Password management with Secrets Manager".
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from devstack.aws.rds import keys, servers
from devstack.aws.rds.errors import Refusal
from devstack.aws.rds.resources import Cluster
from devstack.aws.rds.state import RdsState


def check_master(wanted: dict[str, Any]) -> None:
    """Refuse a cluster without a master user, or with two ways of setting its password, or none."""
    if "ReplicationSourceIdentifier" in wanted:
        return
    if "MasterUsername" not in wanted:
        raise Refusal("InvalidParameterValue", "The parameter MasterUsername must be provided and must not be blank.")
    if ("MasterUserPassword" in wanted) == bool(wanted.get("ManageMasterUserPassword")):
        raise Refusal(
            "InvalidParameterCombination",
            "You must specify either MasterUserPassword or ManageMasterUserPassword, and not both.",
        )
    check(wanted.get("MasterUserPassword"))


def check(password: str | None) -> None:
    """Refuse a password that is not 8 to 41 printable ASCII characters without slash, quote and at."""
    if password is not None and not re.fullmatch(r"[!#-.0-?A-~ ]{8,41}", password):
        raise Refusal(
            "InvalidParameterValue",
            "The parameter MasterUserPassword is not a valid password. It must have 8 to 41 characters. "
            "Only printable ASCII characters besides '/', '@', '\"' may be used.",
        )


def manage(state: RdsState, cluster: Cluster, kms_key: str | None) -> str:
    """Hand the master password over to Secrets Manager; returns the new password."""
    secret, password = keys.create_secret(state, cluster, kms_key)
    cluster.secret = secret
    servers_password = servers.set_master_password(state, cluster, password)

    def active(_: datetime) -> None:
        secret.status = "active"

    state.schedule(cluster, state.durations.master_password, active, ready=servers_password.done)
    return password
