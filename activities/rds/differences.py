"""How the restored cluster, as RDS describes it, differs from its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from models.configuration import ClusterSettings, Instance
from models.identifiers import instance_identifier

LONGEST_VALUE = 120
MOST_SHOWN = 20


@dataclass(frozen=True)
class Difference:
    """One setting whose value is not the configured one."""

    setting: str
    """As in the request: target.SETTING, or instances.NAME.SETTING."""
    expected: str
    actual: str

    @property
    def text(self) -> str:
        """On one line."""
        return f"{self.setting} is {self.actual}, expected {self.expected}"


def find_differences(expected: ClusterSettings, actual: ClusterSettings, cluster: str) -> list[Difference]:
    """The settings that `expected` sets and whose value in `actual` is another one."""
    return [*_differing("", expected, actual, skip=("instances",)), *_instances(expected, actual, cluster)]


def summarize_differences(differences: list[Difference]) -> tuple[str, ...]:
    """A text for each, bounded."""
    texts = tuple(difference.text for difference in differences[:MOST_SHOWN])
    more = len(differences) - len(texts)
    return (*texts, f"and {more} more") if more else texts


def _instances(expected: ClusterSettings, actual: ClusterSettings, cluster: str) -> Iterator[Difference]:
    named = {instance.identifier: instance for instance in actual.instances or ()}
    for number, expected_value in enumerate(expected.instances or (), start=1):
        name = expected_value.identifier or instance_identifier(cluster, number)
        if name not in named:
            yield Difference(f"instances.{name}", "present", "absent")
        else:
            yield from _differing(f"instances.{name}.", expected_value, named[name], skip=("identifier",))


def _differing(
    prefix: str, expected: ClusterSettings | Instance, actual: ClusterSettings | Instance, skip: tuple[str, ...]
) -> Iterator[Difference]:
    for name in type(expected).model_fields:
        expected_value = getattr(expected, name)
        if name in skip or expected_value is None or (name == "storage_encrypted" and not expected_value):
            continue
        if name.endswith("kms_key_id") and not str(expected_value).startswith("arn:"):
            continue  # RDS answers with the key's ARN, whatever name the request has for it
        if _canonical(expected_value) != _canonical(actual_value := getattr(actual, name)):
            yield Difference(f"{prefix}{name}", _shown(expected_value), _shown(actual_value))


def _canonical(value: object) -> object:
    """Order means nothing to RDS in a list; nothing, off and an empty list are the same to a reader."""
    if isinstance(value, tuple):
        return frozenset(map(str, value)) or None
    return value or None


def _shown(value: object) -> str:
    text = "nothing" if value in (None, (), {}) else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
