"""The rows of the fault table that are about what is around a cluster: blockers, proxies, Application Auto Scaling.

Operation, code, action, short text, advice. Source: botocore's service models.
"""

from __future__ import annotations

_PROXY = "Proxy not found"
_PROXY_ADVICE = (
    "Create the proxy, or register the cluster with another one; the restored cluster is complete without it."
)
_SCALING = "Scaling not put back"
_SCALING_ADVICE = "Put it back by hand; the restored cluster is complete without it."
_REGISTER = "RegisterDBProxyTargets"

SURROUNDING_FAULTS: tuple[tuple[str, str, str, str, str], ...] = (
    # A region whose RDS does not know the operation has none of these.
    *(
        (operation, "InvalidAction", "absent", "Not offered in the region", "")
        for operation in (
            "DescribeBlueGreenDeployments",
            "DescribeDBProxies",
            "DescribeDBShardGroups",
            "DescribeIntegrations",
        )
    ),
    ("DescribeDBProxyTargetGroups", "DBProxyNotFoundFault", "absent", _PROXY, ""),
    ("DescribeDBProxyTargets", "DBProxyNotFoundFault", "fail", _PROXY, _PROXY_ADVICE),
    ("DescribeDBProxyTargets", "DBProxyTargetGroupNotFoundFault", "fail", _PROXY, _PROXY_ADVICE),
    (_REGISTER, "DBProxyTargetAlreadyRegisteredFault", "adopt", "", ""),
    (_REGISTER, "InvalidDBClusterStateFault", "wait", "Cluster is busy", ""),
    (_REGISTER, "InvalidDBInstanceState", "wait", "Instance is busy", ""),
    (_REGISTER, "InvalidDBProxyStateFault", "wait", "Proxy is busy", ""),
    (_REGISTER, "DBProxyNotFoundFault", "fail", _PROXY, _PROXY_ADVICE),
    (_REGISTER, "DBProxyTargetGroupNotFoundFault", "fail", _PROXY, _PROXY_ADVICE),
    *(
        (operation, code, "fail", _SCALING, _SCALING_ADVICE)
        for operation in ("RegisterScalableTarget", "PutScalingPolicy", "PutScheduledAction")
        for code in ("ValidationException", "LimitExceededException")
    ),
    *(
        (operation, "ObjectNotFoundException", "wait", "Scalable target not visible yet", "")
        for operation in ("PutScalingPolicy", "PutScheduledAction")
    ),
    ("*", "ConcurrentUpdateException", "retry", "Application Auto Scaling is busy", ""),
    ("*", "InternalServiceException", "retry", "AWS internal error", ""),
)
