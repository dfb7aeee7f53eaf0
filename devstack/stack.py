"""The whole environment on one machine: PostgreSQL, the AWS emulator with its clusters, and Temporal with its Web UI."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from devstack.aws import Durations, Emulator
from devstack.demo_environment import TARGET_REGION, DemoEnvironment, environment
from devstack.postgres import PostgresHost
from devstack.temporal_server import TemporalServer
from models import search_attributes

SEARCH_ATTRIBUTES = {key.name: "Keyword" for key in search_attributes.ALL}

DEMO_DURATIONS = Durations(
    snapshot=2,
    copy=9,
    cluster_create=2,
    cluster_restore=6,
    cluster_modify=1,
    cluster_rename=4,
    cluster_delete=2,
    instance_create=4,
    instance_delete=2,
    instance_modify=1,
    instance_rename=4,
    master_password=2,
)
"""Seconds on the emulator's clock: long enough to watch each step of a restore."""


class Stack:
    """Every server that a restore needs, without the worker; ready when the constructor returns."""

    def __init__(
        self,
        *,
        temporal_port: int | None = None,
        ui_port: int | None = None,
        aws_port: int = 0,
        durations: Durations = DEMO_DURATIONS,
        **temporal_options: Any,
    ) -> None:
        """Start the servers, on free ports where none is given; other options go to the `TemporalServer`.

        Raises ServerError if a server does not start.
        """
        with ExitStack() as starting, ThreadPoolExecutor(1) as thread:
            temporal = thread.submit(TemporalServer, port=temporal_port, ui_port=ui_port, **temporal_options)
            starting.callback(lambda: temporal.result().close())
            self.postgres = starting.enter_context(PostgresHost())
            self.emulator = starting.enter_context(Emulator(self.postgres, port=aws_port, durations=durations))
            self.demo = DemoEnvironment(self.emulator)
            self.demo.build()
            self.temporal = temporal.result()
            self.versions = self.postgres.versions()
            self._running = starting.pop_all()

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that connect worker.py, starter.py, `temporal` and `aws` to this stack."""
        return {
            **environment(self.emulator.endpoint_url),
            "TEMPORAL_ADDRESS": self.temporal.address,
            "AURORA_RESTORE_AUDIT_REGION": TARGET_REGION,
            "AURORA_RESTORE_DATABASE_TLS_CA_FILE": str(self.demo.certificate_bundle),
        }

    def close(self) -> None:
        """Stop every server; a second call does nothing."""
        self._running.close()

    def __enter__(self) -> Self:
        """The running stack."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
