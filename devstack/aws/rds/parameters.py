"""The parameters of one call, which know which of them the operation has read.

A member is modelled or refused by name, never ignored: `operations.serves` declares what an operation models, and a
declared member that a successful call had, but whose value nothing read, is a defect of the emulator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Parameters(Mapping[str, Any]):
    """A structure of a request, nested as botocore's model nests it.

    A member counts as read once its value is; to ask whether it is there (`in`) is not to read it.
    """

    def __init__(self, members: Mapping[str, Any]) -> None:
        """`members` as `protocol.parse` returns them."""
        self._members = {name: _tracked(value) for name, value in members.items()}
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        """The value of a member, which is read from now on. Raises KeyError if the call does not have it."""
        value = self._members[name]
        self._read.add(name)
        return value

    def __contains__(self, name: object) -> bool:
        """Whether the call has a member."""
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        """The names of the members that the call has."""
        return iter(self._members)

    def __len__(self) -> int:
        """How many members the call has."""
        return len(self._members)

    def unread(self) -> list[str]:
        """The members whose values nothing has read, nested ones by their path, such as `Tags.Value`."""
        missed = [name for name in self._members if name not in self._read]
        return missed + [
            f"{name}.{inner}"
            for name in self._members
            if name in self._read
            for structure in _structures(self._members[name])
            for inner in structure.unread()
        ]


def _tracked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Parameters(value)
    return [_tracked(each) for each in value] if isinstance(value, list) else value


def _structures(value: Any) -> list[Parameters]:
    candidates = value if isinstance(value, list) else [value]
    return [each for each in candidates if isinstance(each, Parameters)]
