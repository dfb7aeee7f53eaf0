"""The table of the campaign: every fault, where it can strike, and how a night may end that it struck.

A plan is written `fault@place`, several with ` + ` between them; a place is a step, an AWS operation with the number of
the call (`rds.DescribeDBClusters#2`), or a time.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from temporalio.service import RPCError, RPCStatusCode

from audit.seal import SEAL_TRAIL
from devstack.aws import Durations
from devstack.aws.faults import Fault
from devstack.processes import Server
from devstack.world import TARGET_REGION
from models.steps import Step
from tests.faults.night import RPC, Night, NotHit
from tests.faults.operations import OPERATIONS
from tests.faults.stage import WAIT, slowed

OPEN = "open-operation"
MOMENTS = tuple(f"{half / 2}s" for half in range(12))
"""Half seconds of a night, which takes five; when exactly in it is drawn."""
GATES: dict[str, tuple[str, str, int]] = {
    OPEN: ("dynamodb", "TransactWriteItems", 0),
    Step.SNAPSHOT_CHECK: ("kms", "DescribeKey", 0),
    Step.COPY_SNAPSHOT: ("rds", "CopyDBClusterSnapshot", 0),
    Step.CHECK_COPY_STATUS: ("rds", "DescribeDBClusterSnapshots", 1),
    Step.DELETE_RDS: ("rds", "DeleteDBCluster", 0),
    Step.RESTORE_SNAPSHOT: ("rds", "RestoreDBClusterFromSnapshot", 0),
    Step.CHECK_RESTORE_STATUS: ("rds", "CreateDBInstance", 0),
    Step.SETUP_DB_USERS: ("secretsmanager", "GetSecretValue", 0),
    Step.ARCHIVE_SNAPSHOT: ("rds", "AddTagsToResource", 0),
    SEAL_TRAIL: ("dynamodb", "TransactWriteItems", 1),
    Step.SNS_NOTIFICATION: ("sns", "Publish", 0),
}
"""The call by which a step is met: service, operation, how many such calls in the target's region come before it."""
STEPS = tuple(GATES)
RETRIED = tuple(step for step in GATES if step not in (OPEN, SEAL_TRAIL))
LAST = (Step.ARCHIVE_SNAPSHOT, SEAL_TRAIL, Step.SNS_NOTIFICATION)

A_WHILE = 6.0
"""Seconds of throttling or of an outage: longer than botocore's own attempts together, which take a few seconds."""
OUTAGE = 10.0
READ_TIMEOUT = {"dynamodb": 4.0}
"""A little longer than the clients wait for an answer (clients/aws.py): 3 s for the trail, 20 s for the others."""
SILENCE = 21.0
MISSED = 17.0
"""Longer than the heartbeat timeout of 15 s: the attempt counts as lost."""

SUCCEEDS = frozenset({"succeeded"})
FAILS = frozenset({"failed"})
Strike = Callable[[Night, str], Awaitable[None]]


def _succeeds(_place: str) -> frozenset[str]:
    return SUCCEEDS


def _fails(_place: str) -> frozenset[str]:
    return FAILS


@dataclass(frozen=True)
class Entry:
    """One fault: what happens, where it can strike, and how its night may end."""

    name: str
    says: str
    places: tuple[str, ...]
    strike: Strike
    endings: Callable[[str], frozenset[str]] = _succeeds
    prepare: Strike | None = None
    durations: Durations | None = None
    subject: str = ""
    """Whom it strikes: several at random never strike one subject twice, unless it is AWS."""
    message_lost: Callable[[str], bool] = lambda _place: False
    """Whether the fault is that no message can be sent."""


@dataclass(frozen=True)
class Incident:
    """A fault at a place."""

    entry: Entry
    place: str

    def __str__(self) -> str:
        return f"{self.entry.name}@{self.place}"

    @property
    def durations(self) -> Durations | None:
        """A world with other durations, if the fault needs one."""
        return self.entry.durations

    @property
    def endings(self) -> frozenset[str]:
        """How its night may end."""
        return self.entry.endings(self.place)

    async def prepare(self, night: Night) -> None:
        """What must be so before the night begins."""
        if self.entry.prepare is not None:
            await self.entry.prepare(night, self.place)

    async def strike(self, night: Night) -> None:
        """Happen."""
        await self.entry.strike(night, self.place)


# The worker


def _hold(night: Night, place: str, seconds: float, kind: Any = "late-answer") -> Fault:
    """Hold the call by which a step is met: after its effect, or instead of it (`silence`)."""
    service, operation, before = GATES[place]
    region = TARGET_REGION if service == "rds" else None
    return night.arm(service, operation, kind, seconds=seconds, skip=before, region=region)


def _killing(kind: str) -> Strike:
    async def strike(night: Night, place: str) -> None:
        held = _hold(night, place, 2.0, kind)
        await night.fired(held)
        # The effect is made by another thread within milliseconds; the answer would come after two seconds.
        await asyncio.sleep(0.2)
        await asyncio.to_thread(night.stage.kill_worker)
        await asyncio.to_thread(night.stage.new_worker)

    return strike


async def _some_time(night: Night, place: str) -> None:
    await asyncio.sleep(float(place.removesuffix("s")) + night.chance.uniform(0, 0.5))
    if night.closed:
        raise NotHit
    night.hit()


async def _killed_at_random(night: Night, place: str) -> None:
    await _some_time(night, place)
    await asyncio.to_thread(night.stage.kill_worker)
    await asyncio.to_thread(night.stage.new_worker)


async def _killed_in_compensation(night: Night, place: str) -> None:
    _deny(night, "rds.RestoreDBClusterFromSnapshot")
    held = _hold(night, Step.SNS_NOTIFICATION, 2.0, "silence" if place == "before-the-message" else "late-answer")
    await night.fired(held)
    await asyncio.sleep(0.2)
    await asyncio.to_thread(night.stage.kill_worker)
    await asyncio.to_thread(night.stage.new_worker)


async def _stopped(night: Night, place: str) -> None:
    """SIGTERM while a call is under way: it is finished, counted, and not made again."""
    held = _hold(night, place, 1.5)
    await night.fired(held)
    status = await asyncio.to_thread(night.stage.stop_worker)
    if status != 0:
        night.strange.append(f"a worker that was asked to stop ended with {status}")
    service, operation, _ = GATES[place]
    made = [call for call in night.stage.emulator.calls if (call.service, call.operation) == (service, operation)]
    calls_before = len(made)
    await asyncio.to_thread(night.stage.new_worker)
    if operation in ("CopyDBClusterSnapshot", "RestoreDBClusterFromSnapshot", "Publish"):
        await asyncio.sleep(1)
        again = len(night.stage.emulator.calls.of(operation, service))
        if again != calls_before:
            night.strange.append(f"{operation} was finished by the stopping worker, and made again")


async def _second_worker(night: Night, _place: str) -> None:
    await asyncio.to_thread(night.stage.new_worker)


async def _one_of_two_killed(night: Night, place: str) -> None:
    held = _hold(night, place, 2.0)
    await night.fired(held)
    await asyncio.sleep(0.2)
    await asyncio.to_thread(night.stage.kill_worker, await _who_works(night))


async def _who_works(night: Night) -> Server | None:
    """The worker that has the night's running activity; any if none has."""
    try:
        pending = (await night.handle.describe(rpc_timeout=RPC)).raw_description.pending_activities
    except RPCError:
        return None
    pids = {each.last_worker_identity.partition("@")[0] for each in pending}
    return next((worker for worker in night.stage.workers if str(worker.pid) in pids), None)


async def _frozen(night: Night, place: str) -> None:
    """Frozen past the heartbeat timeout and woken: its late answer is one that nobody waits for."""
    held = _hold(night, place, 1.0)
    await night.fired(held)
    await asyncio.sleep(0.2)
    worker = night.worker
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(MISSED)
    worker.signal(signal.SIGCONT)


async def _replaced_while_frozen(night: Night, place: str) -> None:
    """Another worker takes over; the frozen one wakes when the night is some steps on, or over."""
    held = _hold(night, place, 1.0)
    await night.fired(held)
    await asyncio.sleep(0.2)
    worker = night.worker
    worker.signal(signal.SIGSTOP)
    await asyncio.to_thread(night.stage.new_worker)
    await asyncio.sleep(night.chance.uniform(MISSED, MISSED + 8))
    worker.signal(signal.SIGCONT)
    await asyncio.sleep(2)


async def _stale_delete(night: Night, place: str, seconds: float) -> None:
    looks = night.arm("rds", "DescribeDBClusters", "latency", seconds=seconds, skip=1, region=TARGET_REGION)
    await night.fired(looks)
    await asyncio.sleep(0.1)
    worker = night.worker
    worker.signal(signal.SIGSTOP)
    try:
        await asyncio.to_thread(night.stage.new_worker)
        # The night must be past the restore, and not over, when the old worker wakes.
        _hold(night, Step.SETUP_DB_USERS, 8.0)
        await night.until(lambda: bool(night.stage.emulator.calls.of("GetSecretValue", "secretsmanager")))
    finally:
        worker.signal(signal.SIGCONT)
    await asyncio.sleep(4)


async def _woken_without_a_look(night: Night, place: str) -> None:
    """Frozen while it asks for the target; it is answered, if at all, with what is there by then."""
    await _stale_delete(night, place, 60.0)


async def _woken_with_an_old_look(night: Night, place: str) -> None:
    """Frozen with the old target's description in hand, just before it would delete."""
    await _stale_delete(night, place, 0.5)


# Temporal


async def _temporal_killed(night: Night, place: str) -> None:
    held = _hold(night, place, 1.0)
    await night.fired(held)
    await asyncio.to_thread(night.stage.temporal.kill)
    await asyncio.sleep(night.chance.uniform(0, 2))
    await asyncio.to_thread(night.stage.temporal.start_again)


async def _temporal_killed_at_random(night: Night, place: str) -> None:
    await _some_time(night, place)
    await asyncio.to_thread(night.stage.temporal.kill)
    await asyncio.to_thread(night.stage.temporal.start_again)


def _temporal_away(seconds: float) -> Strike:
    async def strike(night: Night, place: str) -> None:
        held = _hold(night, place, 0.5)
        await night.fired(held)
        night.stage.temporal.freeze()
        await asyncio.sleep(seconds)
        night.stage.temporal.thaw()

    return strike


# AWS


def _operation(place: str) -> tuple[str, str, int]:
    name, _, nth = place.partition("#")
    service, _, operation = name.partition(".")
    return service, operation, int(nth or 1) - 1


def _for_a_while(kind: Any, seconds: float = A_WHILE, service: str = "") -> Strike:
    async def strike(night: Night, place: str) -> None:
        of, operation, skip = _operation(place)
        fault = night.arm(service or of, operation, kind, count=None, skip=skip)
        await night.fired(fault)
        await asyncio.sleep(seconds)
        night.stage.emulator.faults.remove(fault)

    return strike


def _once(kind: Any, count: int = 1, *, silent: bool = False) -> Strike:
    async def strike(night: Night, place: str) -> None:
        service, operation, skip = _operation(place)
        seconds = READ_TIMEOUT.get(service, SILENCE) if silent else 0.0
        fault = night.arm(service, operation, kind, count=count, skip=skip, seconds=seconds)
        await night.fired(fault)

    return strike


DENIED = {"dynamodb": "AccessDeniedException", "kms": "AccessDeniedException", "secretsmanager": "AccessDeniedException",
          "sns": "AuthorizationError", "ec2": "UnauthorizedOperation"}  # fmt: skip
EXPIRED = {"dynamodb": "ExpiredTokenException", "kms": "ExpiredTokenException", "secretsmanager": "ExpiredTokenException",
           "ec2": "RequestExpired"}  # fmt: skip


def _deny(night: Night, place: str) -> Fault:
    service, operation, skip = _operation(place)
    code = DENIED.get(service, "AccessDenied")
    return night.arm(service, operation, "error", code=code, message="Not authorized", status=403, skip=skip)


async def _denied(night: Night, place: str) -> None:
    await night.fired(_deny(night, place))


async def _expired(night: Night, place: str) -> None:
    service, operation, skip = _operation(place)
    code = EXPIRED.get(service, "ExpiredToken")
    fault = night.arm(
        service, operation, "error", code=code, message="The security token is expired", status=403, skip=skip
    )
    await night.fired(fault)


def _after_denied(place: str) -> frozenset[str]:
    """The trail is waited for; everything else ends the night."""
    return SUCCEEDS if place.startswith("dynamodb") else FAILS


def _service_down(service: str) -> Strike:
    async def strike(night: Night, place: str) -> None:
        held = _hold(night, place, 0.3)
        await night.fired(held)
        down = night.arm(service, "*", "reset-before", count=None)
        await asyncio.sleep(OUTAGE)
        night.stage.emulator.faults.remove(down)

    return strike


# The restored database


async def _target_key(night: Night) -> str:
    target = await asyncio.to_thread(night.stage.target)
    if target is None:
        raise NotHit
    return str(target["DbClusterResourceId"])


async def _at_the_database(night: Night) -> str:
    await night.fired(_hold(night, Step.SETUP_DB_USERS, 0.5))
    return await _target_key(night)


async def _database_refuses(night: Night, place: str) -> None:
    key, postgres = await _at_the_database(night), night.stage.postgres
    await asyncio.to_thread(postgres.kill, key)
    await asyncio.sleep(4)
    await asyncio.to_thread(postgres.start_again, key)


async def _database_hangs(night: Night, place: str) -> None:
    key, postgres = await _at_the_database(night), night.stage.postgres
    postgres.freeze(key)
    await asyncio.sleep(6)
    postgres.thaw(key)


async def _database_closes(night: Night, place: str) -> None:
    """The session ends in the middle of a statement that makes a user."""
    key, postgres = await _at_the_database(night), night.stage.postgres

    def cut() -> None:
        with postgres.holding_roles(key):
            for _ in range(500):
                if postgres.cut_waiting(key):
                    return

    await asyncio.to_thread(cut)


async def _database_hangs_long(night: Night, place: str) -> None:
    """In the middle of a statement, which no timeout of the session ends: only start-to-close does."""
    key, postgres = await _at_the_database(night), night.stage.postgres

    def hang() -> None:
        with suppress(psycopg.Error), postgres.holding_roles(key):
            time.sleep(1.5)
            postgres.freeze(key)
            time.sleep(190)
            postgres.thaw(key)

    await asyncio.to_thread(hang)


async def _database_crashes(night: Night, place: str) -> None:
    """The server dies in the middle of a statement that makes a user."""
    key, postgres = await _at_the_database(night), night.stage.postgres

    def crash() -> None:
        with suppress(psycopg.Error), postgres.holding_roles(key):
            time.sleep(1.5)
            postgres.kill(key)

    await asyncio.to_thread(crash)
    await asyncio.sleep(2)
    await asyncio.to_thread(postgres.start_again, key)


# People


async def _insist(call: Callable[..., Awaitable[None]]) -> None:
    """As somebody at a terminal would, while Temporal is away. Raises `NotHit` if the night is over."""
    for _ in range(40):
        try:
            return await call(rpc_timeout=RPC)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NotHit from error
        await asyncio.sleep(0.5)
    raise NotHit


async def _cancelled(night: Night, place: str) -> None:
    held = _hold(night, place, 0.7)
    await night.fired(held)
    await _insist(night.handle.cancel)


async def _cancelled_in_compensation(night: Night, place: str) -> None:
    """While nobody can be told yet."""
    _deny(night, "rds.RestoreDBClusterFromSnapshot")
    down = night.arm("sns", "Publish", "http500", count=None)
    await night.fired(down)
    await asyncio.sleep(1)
    await _insist(night.handle.cancel)
    await asyncio.sleep(A_WHILE)
    night.stage.emulator.faults.remove(down)


async def _retried(night: Night, place: str) -> None:
    """A step fails, its cause is mended, and the operator has the night go on there."""
    await night.fired(_refuse(night, place))


async def _expect_retry(night: Night, _place: str) -> None:
    night.to_be_retried = True


def _refuse(night: Night, place: str) -> Fault:
    """Deny the call by which a step is met, once."""
    service, operation, before = GATES[place]
    region = TARGET_REGION if service == "rds" else None
    code = DENIED.get(service, "AccessDenied")
    return night.arm(service, operation, "error", code=code, status=403, skip=before, region=region)


async def _terminated(night: Night, place: str) -> None:
    held = _hold(night, place, 0.7)
    await night.fired(held)
    await _insist(night.handle.terminate)


async def _stranger(night: Night, place: str) -> None:
    night.hit(place)


async def _plant_stranger(night: Night, _place: str) -> None:
    await asyncio.to_thread(night.stage.plant_stranger, night.snapshot)


async def _neighbour(night: Night, place: str) -> None:
    """Another target's night begins at the same moment; it may not restore, and ends at its snapshot-check."""
    await night.fired(night.arm("dynamodb", "TransactWriteItems", "latency", seconds=1.0, count=2))


async def _expect_neighbour(night: Night, _place: str) -> None:
    night.neighbour = True


# Deadlines

DEADLINE = {**WAIT, "deadline": "PT1S"}


def _deadline(wait: str) -> Strike:
    async def prepare(night: Night, _place: str) -> None:
        night.waits[wait] = DEADLINE

    return prepare


async def _deadline_passes(night: Night, place: str) -> None:
    night.hit(place)


ALL_OPERATIONS = tuple(OPERATIONS)


def _table(**subjects: tuple[Entry, ...]) -> dict[str, Entry]:
    return {entry.name: replace(entry, subject=subject) for subject, entries in subjects.items() for entry in entries}


FAULTS: dict[str, Entry] = _table(
    worker=(
        Entry("killed-before-effect", "SIGKILL of the worker; its request never arrived", STEPS, _killing("silence")),
        Entry("killed-after-effect", "SIGKILL of the worker between an effect and its answer", STEPS, _killing("late-answer")),
        Entry("killed-at-random", "SIGKILL of the worker at a random moment", MOMENTS, _killed_at_random),
        Entry(
            "killed-in-compensation", "SIGKILL of the worker while it tells of a failure",
            ("before-the-message", "after-the-message"), _killed_in_compensation, endings=_fails,
        ),
        Entry("stopped", "SIGTERM: the running activity is finished and not made again", STEPS, _stopped),
        Entry("one-of-two-killed", "two workers, the one at work is killed", STEPS, _one_of_two_killed, prepare=_second_worker),
        Entry("frozen", "SIGSTOP of the worker past the heartbeat timeout, then SIGCONT", STEPS, _frozen),
        Entry("replaced-while-frozen", "another worker takes over, then SIGCONT", STEPS, _replaced_while_frozen),
        Entry(
            "woken-without-a-look", "a worker frozen in delete-rds wakes after the restore", (Step.DELETE_RDS,),
            _woken_without_a_look,
        ),
        Entry(
            "woken-with-an-old-look", "a worker frozen between its look and its deletion wakes after the restore",
            (Step.DELETE_RDS,), _woken_with_an_old_look,
        ),
    ),
    temporal=(
        Entry("temporal-killed", "SIGKILL of Temporal, started again on its file", STEPS, _temporal_killed),
        Entry(
            "temporal-killed-at-random", "SIGKILL of Temporal at a random moment, started again on its file", MOMENTS[::2],
            _temporal_killed_at_random,
        ),
        Entry("temporal-away", "Temporal does not answer for 12 s", STEPS, _temporal_away(12)),
        Entry("temporal-away-long", "Temporal does not answer for 2 minutes", (Step.CHECK_COPY_STATUS,), _temporal_away(120)),
    ),
    aws=(
        Entry("throttled", "every call of the operation is throttled for 6 s", ALL_OPERATIONS, _for_a_while("throttle")),
        Entry("http500", "every call of the operation fails inside AWS for 6 s", ALL_OPERATIONS, _for_a_while("http500")),
        Entry("reset-before", "four connections are reset before the effect", ALL_OPERATIONS, _once("reset-before", 4)),
        Entry("reset-after", "the connection is reset after the effect", ALL_OPERATIONS, _once("reset-after")),
        Entry(
            "denied", "access is denied once", ALL_OPERATIONS, _denied, endings=_after_denied,
            message_lost=lambda place: place.startswith("sns.Publish"),
        ),
        Entry("expired", "the token is expired once", ALL_OPERATIONS, _expired),
        Entry("silence-before", "no effect and no answer, past the read timeout", ALL_OPERATIONS, _once("silence", silent=True)),
        Entry("silence-after", "effect, and no answer, past the read timeout", ALL_OPERATIONS, _once("late-answer", silent=True)),
        Entry("dynamodb-down", "DynamoDB is away for 10 s from this step on", STEPS, _service_down("dynamodb")),
        Entry("sns-down", "SNS is away for 10 s", ("sns.Publish",), _for_a_while("http500", OUTAGE)),
    ),
    database=(
        Entry("database-refuses", "the restored database is down for 4 s", (Step.SETUP_DB_USERS,), _database_refuses),
        Entry("database-hangs", "the restored database hangs for 6 s", (Step.SETUP_DB_USERS,), _database_hangs),
        Entry(
            "database-hangs-long", "the restored database hangs in mid-statement for 190 s, past start-to-close",
            (Step.SETUP_DB_USERS,), _database_hangs_long,
        ),
        Entry("database-closes", "the session ends in mid-statement", (Step.SETUP_DB_USERS,), _database_closes),
        Entry("database-crashes", "the database dies in mid-statement", (Step.SETUP_DB_USERS,), _database_crashes),
    ),
    people=(
        Entry(
            "cancelled", "an operator cancels", STEPS, _cancelled,
            endings=lambda place: frozenset({"cancelled", "succeeded"} if place in LAST else {"cancelled"}),
        ),
        Entry(
            "cancelled-in-compensation", "an operator cancels a failed night while SNS is away",
            (Step.SNS_NOTIFICATION,), _cancelled_in_compensation, endings=_fails,
        ),
        Entry(
            "retried", "a step fails, and starter.py retry has the night go on there", RETRIED, _retried,
            prepare=_expect_retry,
        ),
        Entry("terminated", "an operator terminates", STEPS, _terminated, endings=lambda _: frozenset({"terminated"})),
    ),
    request=(
        Entry(
            "deadline-of-copy", "the copy takes longer than the request allows", (Step.CHECK_COPY_STATUS,), _deadline_passes,
            endings=_fails, prepare=_deadline("copy_snapshot"), durations=slowed(copy=60),
        ),
        Entry(
            "deadline-of-deletion", "the deletion takes longer than the request allows", (Step.DELETE_RDS,), _deadline_passes,
            endings=_fails, prepare=_deadline("delete_rds"), durations=slowed(cluster_delete=60),
        ),
        Entry(
            "deadline-of-restore", "the restore takes longer than the request allows", (Step.CHECK_RESTORE_STATUS,),
            _deadline_passes, endings=_fails, prepare=_deadline("restore_snapshot"), durations=slowed(cluster_restore=60),
        ),
        Entry(
            "stranger-has-the-name", "a snapshot of something else has the copy's name", (Step.COPY_SNAPSHOT,), _stranger,
            endings=_fails, prepare=_plant_stranger,
        ),
        Entry(
            "neighbour-at-once", "another target's night takes its number at the same moment", (OPEN,), _neighbour,
            prepare=_expect_neighbour,
        ),
    ),
)  # fmt: skip
"""Every fault of the campaign by its name."""


def incidents_of(plan: str) -> list[Incident]:
    """What a plan says. Raises `ValueError` for a fault or a place that there is not."""
    return [_incident(part.strip()) for part in plan.split(" + ")] if plan else []


def _incident(text: str) -> Incident:
    name, _, place = text.partition("@")
    if name not in FAULTS:
        raise ValueError(f"there is no fault {name!r}; there is: {', '.join(FAULTS)}")
    entry = FAULTS[name]
    if place.partition("#")[0] not in entry.places:
        raise ValueError(f"{name} strikes at {', '.join(entry.places)}, not at {place!r}")
    return Incident(entry, place)
