"""Reads that the polls of many restores share: one call with the names of all, in place of a call for each.

Only the polls that an activity makes by itself share, and those change nothing (waiting/only_reads.py): what a change or a
guard decides on is read alone, by name. A shared read begins after each of its polls has asked for it, so none gets an
answer that is older than its question. What it does not find is read by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, ContextVar
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from waiting import clock
from waiting.only_reads import only_reads

MOST_NAMES = 100
"""How many names one call has at most: RDS's largest page. Source: RDS API Reference, MaxRecords."""
SHARED_FROM = 3
"""From how many restores on they share: one or two are read as cheaply by name."""
EARLY_SHARE = 0.1
"""By which share of its pause a poll may come earlier or later than planned, so that it meets others."""
FIRST_WITHIN = timedelta(seconds=1)
"""How long a poll waits for others that has asked for a read without having announced it."""
CHECK_SECONDS = 0.5
"""How often a poll that waits for others checks whether it has its answer, or is cancelled."""

Fetch = Callable[[Sequence[str]], Mapping[str, Any]]
"""Reads what has these names; what does not exist is absent. Raises `NotShared`, or the error that each poll gets."""


class NotShared(Exception):
    """AWS does not answer for several names at once, perhaps because a policy allows only one: each poll reads its own."""


@dataclass(frozen=True)
class SharedRead:
    """What one poll wants to know."""

    group: tuple[str | None, ...]
    """What is read where, and with whose permissions: only reads of one group become one call."""
    name: str
    fetch: Fetch = field(compare=False)


class ReadDue(Exception):
    """A poll wants a read that may be shared: the activity makes it, and then polls anew."""

    def __init__(self, read: SharedRead) -> None:
        """`read` is what the poll asked for."""
        super().__init__(read.name)
        self.read = read


def find_shared(read: SharedRead) -> Any | None:
    """What a shared read has found for this poll; None if the poll reads by name, as each does that may change something.

    Raises `ReadDue` if others read the same and nobody has read it for this poll, and the error of the shared read if it
    failed.
    """
    reads = _reads_of_watch.get()
    return reads.find(read) if reads is not None else None


@dataclass
class _Group:
    watches: int = 0
    pending: dict[asyncio.Future[Any], SharedRead] = field(default_factory=dict)
    is_refused: bool = False

    @property
    def is_shared(self) -> bool:
        return self.watches >= SHARED_FROM and not self.is_refused


class SharedReads:
    """The reads of one worker's watches, by group. Changed on the event loop only; a poll's thread reads `is_shared`."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._groups: dict[tuple[str | None, ...], _Group] = {}
        self._running: set[asyncio.Task[None]] = set()

    def enter(self, group: tuple[str | None, ...]) -> _Group:
        """A watch begins to read this."""
        entered = self._groups.setdefault(group, _Group())
        entered.watches += 1
        return entered

    def leave(self, group: tuple[str | None, ...]) -> None:
        """A watch that read this has ended. With the last one it is forgotten that AWS refused."""
        self._groups[group].watches -= 1
        if not self._groups[group].watches:
            del self._groups[group]

    def is_shared(self, group: tuple[str | None, ...]) -> bool:
        """Whether enough watches read this."""
        return group in self._groups and self._groups[group].is_shared

    def start(self, group: _Group) -> None:
        """Read now what is pending in a group."""
        pending, group.pending = group.pending, {}
        waiting = {answer: read for answer, read in pending.items() if not answer.done()}
        if len({read.name for read in waiting.values()}) < SHARED_FROM:
            _answer(waiting, {})
            return
        # In a context of its own: that of a poll has what the poll has read and may do.
        task = asyncio.get_running_loop().create_task(_read(group, waiting), context=Context())
        self._running.add(task)
        task.add_done_callback(self._running.discard)


async def _read(group: _Group, waiting: Mapping[asyncio.Future[Any], SharedRead]) -> None:
    names = sorted({read.name for read in waiting.values()})
    fetch = next(iter(waiting.values())).fetch
    chunks = [names[first : first + MOST_NAMES] for first in range(0, len(names), MOST_NAMES)]
    answers = await asyncio.gather(*(asyncio.to_thread(fetch, chunk) for chunk in chunks), return_exceptions=True)
    for chunk, answer in zip(chunks, answers, strict=True):
        of_chunk = {each: read for each, read in waiting.items() if read.name in chunk}
        if isinstance(answer, NotShared):
            group.is_refused = True
            _answer(of_chunk, {})
        elif isinstance(answer, BaseException):
            _answer(of_chunk, dict.fromkeys(chunk, answer))
        else:
            _answer(of_chunk, answer)


def _answer(waiting: Mapping[asyncio.Future[Any], SharedRead], found: Mapping[str, Any]) -> None:
    for answer, read in waiting.items():
        if not answer.done():
            answer.set_result(found.get(read.name))


class WatchReads:
    """The shared reads of one watch: what its last poll has asked for is read before the next."""

    def __init__(self, shared: SharedReads) -> None:
        """`shared` belongs to the worker."""
        self._shared = shared
        self._groups: dict[tuple[str | None, ...], _Group] = {}
        self._wanted: dict[SharedRead, None] = {}
        self._answers: dict[SharedRead, Any] = {}

    def begin_poll(self) -> None:
        """Let the poll find what was read for it."""
        self._wanted = {}
        _reads_of_watch.set(self)

    def find(self, read: SharedRead) -> Any | None:
        """As `find_shared`; it is called in the thread of a poll."""
        self._wanted[read] = None
        if not only_reads.get():
            return None
        if read not in self._answers:
            if self._shared.is_shared(read.group):
                raise ReadDue(read)
            return None
        answer = self._answers[read]
        if isinstance(answer, Exception):
            raise copy(answer)  # each poll has its own, because raising one changes it
        return answer

    def end_poll(self) -> None:
        """Forget what was read for the poll."""
        self._answers = {}
        for read in self._wanted:
            if read.group not in self._groups:
                self._groups[read.group] = self._shared.enter(read.group)

    def may_come_early(self, pause: timedelta) -> timedelta:
        """How much earlier than planned the next poll may begin to wait for others; zero if nobody else reads the same."""
        is_shared = any(group.is_shared for group in self._groups.values())
        return pause * EARLY_SHARE if is_shared else timedelta(0)

    async def read_again(self, within: timedelta, may_go_on: Callable[[], bool]) -> bool:
        """Read for the next poll what the last one asked for, together with others that ask within this time.

        Returns False, early, if `may_go_on` does.
        """
        return await self._read(tuple(self._wanted), within, may_go_on)

    async def read(self, read: SharedRead, may_go_on: Callable[[], bool]) -> bool:
        """Read what the running poll asked for; returns as `read_again` does."""
        return await self._read((read,), FIRST_WITHIN, may_go_on)

    def end(self) -> None:
        """The watch ends."""
        for group in self._groups:
            self._shared.leave(group)
        self._groups = {}

    async def _read(self, reads: Sequence[SharedRead], within: timedelta, may_go_on: Callable[[], bool]) -> bool:
        futures = {read: self._ask(read) for read in reads}
        ends_at = clock.monotonic() + within.total_seconds()
        while waiting := [each for each in futures.values() if not each.done()]:
            if not may_go_on():
                for each in waiting:
                    each.cancel()
                return False
            if (left := ends_at - clock.monotonic()) > 0:
                await clock.sleep(min(left, CHECK_SECONDS))
                continue
            for group in self._groups.values():
                if any(each in group.pending for each in waiting):
                    self._shared.start(group)
            await asyncio.wait(waiting, timeout=CHECK_SECONDS)
        self._answers |= {read: future.result() for read, future in futures.items()}
        return True

    def _ask(self, read: SharedRead) -> asyncio.Future[Any]:
        future, group = asyncio.get_running_loop().create_future(), self._groups.get(read.group)
        if group is None:
            group = self._groups[read.group] = self._shared.enter(read.group)
        if group.is_shared:
            group.pending[future] = read
        else:
            future.set_result(None)
        return future


_reads_of_watch: ContextVar[WatchReads | None] = ContextVar("reads_of_watch", default=None)
"""The shared reads of the watch that makes the running poll; only an activity that polls by itself has them."""
