"""An AWS emulator for this project: its own RDS, and moto for every other service, on one port of this machine.

    with Emulator(NoDatabases()) as aws:
        boto3.client("rds", endpoint_url=aws.endpoint_url, region_name="us-west-2", …)

README.md lists what it does like AWS and what it does not.
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
