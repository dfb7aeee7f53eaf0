"""One run with --write: its names, its resources so far, and the answers that its steps collect.

The steps are in `life_creation` and `life_changes`, in the order in which they run; the claims about their answers in
`life_questions`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from conformance.account import Account, answer_of
from conformance.anonymiser import Json
from conformance.life_questions import LIFE_QUESTIONS
from conformance.own_resources import CLUSTER, INSTANCE, Kind, NotOwn, OwnResources, new_run, tags_of
from conformance.removal import BUSY, Pace

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import TagTypeDef

ROLES = ("cluster", "renamed", "restored", "instance", "snapshot", "copy", "encrypted", "refused")
"""What a run makes, one name each; nothing has the name `refused`, unless AWS accepts what it should refuse."""
GONE = "gone"
BUSY_STATES = frozenset({"InvalidDBClusterStateFault", "InvalidDBInstanceState"})
MAX_BUSY_POLLS = 60
"""Polls for which a call is repeated that AWS refuses because of a status."""


class TookTooLong(Exception):
    """A resource is not in the status that was waited for after an hour."""


@dataclass
class Life:
    """A run in progress."""

    account: Account
    own: OwnResources
    target: OwnResources
    """The region that the copy is made in; the same one without a second region."""
    pace: Pace
    subnet_group: str | None = None
    progress: Callable[[str], None] = lambda _: None
    run: str = field(default_factory=new_run)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """Of the master user; in this process only."""
    answers: dict[str, Json] = field(default_factory=dict)
    """By question."""
    nothing_to_ask: dict[str, str] = field(default_factory=dict)
    """By question, why it cannot be asked here."""
    version: str = ""
    seen: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """What later steps compare with: the cluster before its rename, the snapshot."""

    def __post_init__(self) -> None:
        """Let the report say `<cluster>` for the run's cluster, and so on."""
        for role in (*ROLES, *LIFE_QUESTIONS):
            self.account.anonymiser.add_name(self.name(role), role)

    def name(self, role: str) -> str:
        """The name of one of the run's resources."""
        return f"{self.run}-{role}"

    @property
    def tags(self) -> list[TagTypeDef]:
        """The tags of everything that the run makes."""
        return tags_of(self.run, self.started_at)

    def answer(self, question: str, answer: Json) -> None:
        """Record an answer; its texts become clean."""
        self.answers[question] = self.account.anonymiser.clean_all(answer)

    def attempt(self, question: str, call: Callable[[], object], *, once: bool = False) -> None:
        """Make a call that AWS should refuse, and record how it does.

        A cluster that is busy meanwhile is waited for, unless its status is what the question is about (`once`).
        """
        expected = getattr(LIFE_QUESTIONS[question].expected, "code", "")
        for _ in range(1 if once else MAX_BUSY_POLLS):
            answer = answer_of(call, self.account.anonymiser)
            if answer["code"] == expected or answer["code"] not in BUSY_STATES:
                break
            self.pace.wait()
        self.answer(question, answer)

    def insist(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Make a call that AWS should accept; repeat it while a resource is between two statuses, or not visible yet."""
        for _ in range(MAX_BUSY_POLLS):
            try:
                return call()
            except ClientError as error:
                if error.response["Error"].get("Code") not in BUSY:
                    raise
            self.pace.wait()
        return call()

    def find(self, kind: Kind, role: str, own: OwnResources | None = None) -> Mapping[str, Any] | None:
        """A resource of the run as it is now, or None. Raises `NotOwn` if something else has its name."""
        try:
            return (own or self.own).prove(kind, self.name(role)).answer
        except ClientError as error:
            if error.response["Error"].get("Code") == kind.not_found:
                return None
            raise

    def find_renamed(self, role: str) -> Mapping[str, Any] | None:
        """The cluster under one of its names during a rename, when an answer may still have the other one."""
        try:
            return self.find(CLUSTER, role)
        except NotOwn:
            return None

    def read(self, kind: Kind, role: str) -> Mapping[str, Any]:
        """A resource of the run that exists. Raises `TookTooLong` if it does not."""
        answer = self.find(kind, role)
        if answer is None:
            raise TookTooLong(f"The {kind.name} <{role}> does not exist any more.")
        return answer

    def watch(self, what: str, observe: Callable[[], str], last: str) -> list[str]:
        """What is observed until it is `last`, each change once."""
        self.progress(f"Waiting for {what} …")
        observed: list[str] = []
        for _ in range(self.pace.max_polls):
            now = observe()
            note_change(observed, now)
            if now == last:
                return observed
            self.pace.wait()
        raise TookTooLong(f"{what} took more than an hour: {', '.join(observed)}.")

    def status(self, kind: Kind, role: str, own: OwnResources | None = None) -> str:
        """The status of a resource, or `gone`."""
        answer = self.find(kind, role, own)
        return GONE if answer is None else str(answer.get(kind.status))

    def statuses(self, kind: Kind, role: str, last: str = "available", own: OwnResources | None = None) -> list[str]:
        """The statuses of a resource until it has the last one."""
        return self.watch(f"<{role}> to be {last}", lambda: self.status(kind, role, own), last)

    def statuses_beside_cluster(self, kind: Kind, role: str) -> tuple[list[str], list[str]]:
        """The statuses of a resource until it is available, and those that its cluster has meanwhile, each once."""
        meanwhile: set[str] = set()

        def observe() -> str:
            meanwhile.add(self.status(CLUSTER, "cluster"))
            return self.status(kind, role)

        return self.watch(f"<{role}> to be available", observe, "available"), sorted(meanwhile)

    @property
    def network(self) -> dict[str, str]:
        """The parameter of the subnet group; none for the account's default one."""
        return {"DBSubnetGroupName": self.subnet_group} if self.subnet_group else {}

    def wait_until_available(self, role: str) -> None:
        """Wait for a cluster and the run's instance to be available, in whatever order they become so."""
        self.statuses(CLUSTER, role)
        self.statuses(INSTANCE, "instance")
        self.statuses(CLUSTER, role)

    def tags_in(self, answer: Mapping[str, Any]) -> Json:
        """Whether an answer has the run's tags, others, or none."""
        if not answer.get("TagList"):
            return "none"
        given = {tag.get("Key"): tag.get("Value") for tag in answer["TagList"]}
        requested = {tag.get("Key"): tag.get("Value") for tag in self.tags}
        return "the requested ones" if given == requested else sorted(str(key) for key in given)

    def which_name(self, text: object) -> str:
        """Which of the run's names an identifier, an ARN's last part or the first label of an endpoint is."""
        name = str(text).rpartition(":")[2].partition(".")[0]
        return next((f"<{role}>" for role in ROLES if self.name(role) == name), "another one")


def note_change(observed: list[str], value: str) -> None:
    """Append a value if it is another one than the last."""
    if observed[-1:] != [value]:
        observed.append(value)


def presence(answer: Mapping[str, Any], member: str) -> str:
    """Whether a member is in an answer."""
    return "present" if answer.get(member) is not None else "absent"
