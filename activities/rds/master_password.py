"""The master password of a restored cluster, which comes with the snapshot and is production's until it is replaced.

Source: Aurora User Guide, "Password management with Amazon Aurora and AWS Secrets Manager"; RDS API Reference,
MasterUserSecret, ClusterPendingModifiedValues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef

PENDING = "MasterUserPassword"
"""The pending value that a new password has until RDS has set it, also one that RDS manages itself."""
USABLE = ("active", "impaired")
"""The statuses of a secret with which one can log in; the password of an impaired one cannot be rotated."""


def is_pending(cluster: DBClusterTypeDef) -> bool:
    """Whether RDS has yet to set the new password."""
    return PENDING in cluster.get("PendingModifiedValues", {})


def secret_wait(cluster: DBClusterTypeDef) -> str | None:
    """What is waited for before the managed secret can be used; None if for nothing. The cluster has such a secret."""
    secret = cluster.get("MasterUserSecret", {})
    status = secret.get("SecretStatus", "creating")
    if status not in USABLE:
        return f"master secret {status}"
    if is_pending(cluster):
        return "master password pending"
    return None if secret.get("SecretArn") else "master secret not listed yet"


def secret_warnings(cluster: DBClusterTypeDef) -> tuple[str, ...]:
    """A warning for a secret that can be used, but not rotated."""
    secret = cluster.get("MasterUserSecret", {})
    if secret.get("SecretStatus") != "impaired":
        return ()
    text = (
        f"The master secret {secret.get('SecretArn')} is impaired: it can be used, but RDS cannot rotate it. "
        "Check the permissions on the secret and its key."
    )
    return (text,)
