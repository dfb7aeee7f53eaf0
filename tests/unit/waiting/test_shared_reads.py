"""Reads that several polls share: whom they answer, how old the answer is, and what an error costs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from waiting import shared_reads
from waiting.only_reads import only_reads
from waiting.shared_reads import NotShared, ReadDue, SharedRead, SharedReads, WatchReads, find_shared

GROUP = ("clusters", "111122223333", "eu-central-1", None, None)
SOON = timedelta(seconds=0.05)
NAMES = ("a", "b", "c")


class Aws:
    """Answers for each name with how many calls it has had; `error` is what it raises instead."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.has_begun = threading.Event()
        self.absent: set[str] = set()
        self.error: Exception | None = None

    def fetch(self, names: Sequence[str]) -> Mapping[str, Any]:
        """One call."""
        self.calls.append(list(names))
        number = len(self.calls)
        self.has_begun.set()
        time.sleep(0.05)
        if self.error is not None:
            raise self.error
        return {name: f"{name} {number}" for name in names if name not in self.absent}


@pytest.fixture
def aws() -> Aws:
    """Without a call yet."""
    return Aws()


@pytest.fixture(autouse=True)
def _a_poll_that_only_reads() -> Iterator[None]:
    token = only_reads.set(True)
    yield
    only_reads.reset(token)


def may_go_on() -> bool:
    """No cancellation."""
    return True


async def watch_reads(aws: Aws, shared: SharedReads, name: str, group: tuple[str | None, ...] = GROUP) -> WatchReads:
    """A watch whose first poll has asked for a name, read by itself, and ended."""
    reads = WatchReads(shared)
    reads.begin_poll()
    find_or_none(SharedRead(group, name, aws.fetch))
    reads.end_poll()
    return reads


def find_or_none(read: SharedRead) -> Any | None:
    """What is found; None also where the poll is to ask for it first."""
    try:
        return find_shared(read)
    except ReadDue:
        return None


async def poll_all(
    aws: Aws, watches: Mapping[str, WatchReads], group: tuple[str | None, ...] = GROUP
) -> dict[str, Any]:
    """One more poll of each, at about the same time; what it finds, or its error."""

    async def poll(name: str, reads: WatchReads) -> Any:
        assert await reads.read_again(SOON, may_go_on)
        reads.begin_poll()
        try:
            return find_shared(SharedRead(group, name, aws.fetch))
        except (OSError, ReadDue) as error:
            return error
        finally:
            reads.end_poll()

    answers = await asyncio.gather(*(asyncio.create_task(poll(*each)) for each in watches.items()))
    return dict(zip(watches, answers, strict=True))


async def watch_all(aws: Aws, names: Sequence[str] = NAMES) -> dict[str, WatchReads]:
    """A watch for each name, in one worker."""
    shared = SharedReads()
    return {name: await watch_reads(aws, shared, name) for name in names}


async def test_one_call_answers_all(aws: Aws) -> None:
    """And each poll is answered anew: nothing is kept for the next."""
    watches = await watch_all(aws)
    assert aws.calls == []
    assert await poll_all(aws, watches) == {"a": "a 1", "b": "b 1", "c": "c 1"}
    assert await poll_all(aws, watches) == {"a": "a 2", "b": "b 2", "c": "c 2"}
    assert aws.calls == [["a", "b", "c"], ["a", "b", "c"]]


async def test_only_what_the_last_poll_asked_for_is_read_again(aws: Aws) -> None:
    """A poll that needs the instances only costs no shared read of clusters, although an earlier one needed both."""
    watches, instances = await watch_all(aws), Aws()
    await poll_all(instances, watches, ("instances", *GROUP[1:]))
    calls = len(aws.calls)
    await poll_all(instances, watches, ("instances", *GROUP[1:]))
    assert (len(aws.calls), instances.calls[-1]) == (calls, ["a", "b", "c"])


async def test_a_read_that_has_begun_answers_only_those_that_asked_before(aws: Aws) -> None:
    """So that no answer is older than its question."""
    watches = await watch_all(aws, ("a", "b", "c", "d", "e", "f"))
    first, later = ({name: watches[name] for name in names} for names in ("abc", "def"))

    async def poll_later() -> dict[str, Any]:
        await asyncio.to_thread(aws.has_begun.wait)
        return await poll_all(aws, later)

    answers = await asyncio.gather(poll_all(aws, first), poll_later())
    assert answers[0] | answers[1] == {"a": "a 1", "b": "b 1", "c": "c 1", "d": "d 2", "e": "e 2", "f": "f 2"}


async def test_a_call_has_as_many_names_as_a_page(aws: Aws) -> None:
    """250 restores cost three calls, and each gets its own answer."""
    watches = await watch_all(aws, [f"staging-{number:03}" for number in range(250)])
    answers = await poll_all(aws, watches)
    assert [len(call) for call in aws.calls] == [100, 100, 50]
    assert all(answer.split()[0] == name for name, answer in answers.items())


async def test_few_read_by_name(aws: Aws) -> None:
    """Two watches, or three of which only two poll at about the same time: no call, and no wait."""
    watches = await watch_all(aws)
    two = {name: watches[name] for name in ("a", "b")}
    assert await poll_all(aws, two) == {"a": None, "b": None}
    watches["c"].end()
    assert watches["a"].may_come_early(timedelta(minutes=1)) == timedelta(0)
    assert await poll_all(aws, two) == {"a": None, "b": None}
    assert aws.calls == []


async def test_what_is_absent_is_read_by_name(aws: Aws) -> None:
    """A page may miss what was made, renamed or deleted just now."""
    aws.absent = {"b"}
    assert await poll_all(aws, await watch_all(aws)) == {"a": "a 1", "b": None, "c": "c 1"}


async def test_a_poll_that_may_change_something_gets_no_shared_answer(aws: Aws) -> None:
    """Also if there is one: it reads by name."""
    watches = await watch_all(aws)
    await asyncio.gather(*(reads.read_again(SOON, may_go_on) for reads in watches.values()))
    watches["a"].begin_poll()
    read = SharedRead(GROUP, "a", aws.fetch)
    assert find_shared(read) == "a 1"
    only_reads.set(False)
    assert find_shared(read) is None


async def test_a_refusal_to_read_several_is_met_once(aws: Aws) -> None:
    """Without an error: a role that may read one cluster reads that by name, until the worker has no watch left."""
    watches = await watch_all(aws)
    aws.error = NotShared()
    assert await poll_all(aws, watches) == dict.fromkeys(NAMES)
    assert await poll_all(aws, watches) == dict.fromkeys(NAMES)
    assert len(aws.calls) == 1


async def test_an_error_is_each_polls_own_and_the_next_poll_reads_anew(aws: Aws) -> None:
    """A throttled read does not become a hundred reads by name."""
    watches = await watch_all(aws)
    aws.error = OSError("throttled")
    errors = await poll_all(aws, watches)
    assert [str(error) for error in errors.values()] == ["throttled"] * 3
    assert len({id(error) for error in errors.values()}) == 3
    aws.error = None
    assert await poll_all(aws, watches) == {"a": "a 2", "b": "b 2", "c": "c 2"}


async def test_a_cancelled_poll_returns_and_the_others_are_answered(aws: Aws) -> None:
    """Its name is no longer read."""
    watches = await watch_all(aws, ("a", "b", "c", "d"))
    cancelled = watches.pop("d")
    assert not await cancelled.read_again(SOON, lambda: False)
    assert await poll_all(aws, watches) == {"a": "a 1", "b": "b 1", "c": "c 1"}
    assert aws.calls == [["a", "b", "c"]]


async def test_other_permissions_are_another_group(aws: Aws) -> None:
    """Another role, region or account is never read together, whatever the names are."""
    shared = SharedReads()
    other = (*GROUP[:3], "arn:aws:iam::111122223333:role/other", None)
    watches = {name: await watch_reads(aws, shared, name) for name in ("a", "b")}
    stranded = await watch_reads(aws, shared, "c", other)
    assert await poll_all(aws, watches) == {"a": None, "b": None}
    assert await poll_all(aws, {"c": stranded}, other) == {"c": None}
    assert aws.calls == []


async def test_a_new_watch_asks_before_its_first_poll(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others read the same, it polls only after the shared read: a watch begins every quarter of an hour."""
    monkeypatch.setattr(shared_reads, "FIRST_WITHIN", SOON)
    watches = await watch_all(aws)
    late = WatchReads(next(iter(watches.values()))._shared)
    late.begin_poll()
    read = SharedRead(GROUP, "d", aws.fetch)
    with pytest.raises(ReadDue):
        find_shared(read)
    answers, answered = await asyncio.gather(poll_all(aws, watches), late.read(read, may_go_on))
    assert (answered, len(aws.calls)) == (True, 1)
    late.begin_poll()
    assert (find_shared(read), answers["a"]) == ("d 1", "a 1")


async def test_a_poll_comes_as_much_early_as_late(aws: Aws) -> None:
    """So that on average none is later than its pause."""
    watches = await watch_all(aws)
    assert watches["a"].may_come_early(timedelta(seconds=30)) == timedelta(seconds=3)
