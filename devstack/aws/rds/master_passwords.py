"""The master user's password: set by the caller, or managed in Secrets Manager.

Source: RDS API Reference, CreateDBCluster; Aurora User Guide, "Password management with Secrets Manager".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from devstack.aws.rds import keys, servers
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.resources import Cluster
from devstack.aws.rds.state import RdsState


def check_master(parameters: Mapping[str, Any]) -> None:
    """Raise RdsError without a master user, or without exactly one way of setting its password."""
    if "MasterUserSecretKmsKeyId" in parameters and not parameters.get("ManageMasterUserPassword"):
        raise RdsError("InvalidParameterCombination", "MasterUserSecretKmsKeyId needs ManageMasterUserPassword.")
    if "ReplicationSourceIdentifier" in parameters:
        return
    if "MasterUsername" not in parameters:
        raise RdsError("InvalidParameterValue", "The parameter MasterUsername must be provided and must not be blank.")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", parameters["MasterUsername"]):
        raise RdsError("InvalidParameterValue", f"MasterUsername {parameters['MasterUsername']} is not valid.")
    if ("MasterUserPassword" in parameters) == bool(parameters.get("ManageMasterUserPassword")):
        raise RdsError(
            "InvalidParameterCombination",
            "You must specify either MasterUserPassword or ManageMasterUserPassword, and not both.",
        )
    check(parameters.get("MasterUserPassword"))


def check(password: str | None) -> None:
    """Raise RdsError unless the password has 8 to 41 printable ASCII characters, without / @ " and space."""
    if password is not None and not re.fullmatch(r"[!#-.0-?A-~]{8,41}", password):
        raise RdsError(
            "InvalidParameterValue",
            "The parameter MasterUserPassword is not a valid password. It must have 8 to 41 characters. "
            "Only printable ASCII characters besides '/', '@', '\"', ' ' may be used.",
        )


def manage(state: RdsState, cluster: Cluster, kms_key: str | None) -> str:
    """Let Secrets Manager manage the master password; returns the new password."""
    secret, password = keys.create_secret(state, cluster, kms_key)
    cluster.secret = secret
    password_change = servers.set_master_password(state, cluster, password)

    def activate(_: datetime) -> None:
        secret.status = "active"

    state.schedule(cluster, state.durations.master_password, activate, ready=password_change.done)
    return password
