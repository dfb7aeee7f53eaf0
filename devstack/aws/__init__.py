"""An AWS emulator for this project: our own RDS, and moto for everything else, on one port of this machine.

    with Emulator(NoDatabases()) as aws:
        boto3.client("rds", endpoint_url=aws.endpoint_url, region_name="us-west-2", …)

What it does and does not do like AWS stands in its README.
"""

from devstack.aws.clock import Clock
from devstack.aws.databases import Address, DatabaseHost, NoDatabases
from devstack.aws.durations import Durations
from devstack.aws.emulator import Emulator
from devstack.aws.fault_injection import FaultInjector, InjectedFault
from devstack.aws.journal import Journal, RecordedCall

__all__ = [
    "Address",
    "Clock",
    "DatabaseHost",
    "Durations",
    "Emulator",
    "FaultInjector",
    "InjectedFault",
    "Journal",
    "NoDatabases",
    "RecordedCall",
]
