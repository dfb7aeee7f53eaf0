"""How the restored cluster, as RDS describes it, differs from its configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from models.checks import Comparison
from models.configuration import ClusterSettings, Instance
from models.identifiers import instance_identifier
from models.scaling import ScalableTarget, ScalingPolicy, ScheduledAction

Compared = ClusterSettings | Instance | ScalableTarget
Named = ScalingPolicy | ScheduledAction

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
    return list_differences(compare_settings(expected, actual, cluster))


def list_differences(compared: Iterable[Comparison]) -> list[Difference]:
    """Those whose two values differ."""
    return [Difference(each.name, each.expected, each.actual) for each in compared if not each.met]


def compare_settings(expected: ClusterSettings, actual: ClusterSettings, cluster: str) -> list[Comparison]:
    """Every setting that `expected` sets, with its value in both."""
    return [
        *_compared("", expected, actual, skip=("instances", "scalable_target")),
        *_instances(expected, actual, cluster),
        *_scaling(expected.scalable_target, actual.scalable_target),
    ]


def summarize_differences(differences: list[Difference]) -> tuple[str, ...]:
    """A text for each, bounded."""
    texts = tuple(difference.text for difference in differences[:MOST_SHOWN])
    more = len(differences) - len(texts)
    return (*texts, f"and {more} more") if more else texts


def _instances(expected: ClusterSettings, actual: ClusterSettings, cluster: str) -> Iterator[Comparison]:
    named = {instance.identifier: instance for instance in actual.instances or ()}
    for number, expected_value in enumerate(expected.instances or (), start=1):
        name = expected_value.identifier or instance_identifier(cluster, number)
        if name not in named:
            yield Comparison(f"instances.{name}", "present", "absent", met=False)
        else:
            yield from _compared(f"instances.{name}.", expected_value, named[name], skip=("identifier",))


def _scaling(expected: ScalableTarget | None, actual: ScalableTarget | None) -> Iterator[Comparison]:
    prefix = "scalable_target"
    if expected is None:
        return
    if actual is None:
        yield Comparison(prefix, "present", "absent", met=False)
        return
    yield from _compared(f"{prefix}.", expected, actual, skip=("policies", "scheduled_actions"))
    yield from _named(f"{prefix}.policies", expected.policies, actual.policies)
    yield from _named(f"{prefix}.scheduled_actions", expected.scheduled_actions, actual.scheduled_actions)


def _named(prefix: str, expected: Sequence[Named], actual: Sequence[Named]) -> Iterator[Comparison]:
    """AWS may answer with more than it was given: with its defaults."""
    named = {each.name: each for each in actual}
    for each in expected:
        found = named.get(each.name)
        if found is None:
            yield Comparison(f"{prefix}.{each.name}", "present", "absent", met=False)
        else:
            shown = _shown(each.model_dump()), _shown(found.model_dump())
            yield Comparison(f"{prefix}.{each.name}", *shown, met=covers(each, found))


def covers(expected: object, actual: object) -> bool:
    """Whether `actual` has everything that `expected` says; what it does not say may be anything."""
    if isinstance(expected, BaseModel) and isinstance(actual, BaseModel):
        return covers(expected.model_dump(), actual.model_dump())
    if isinstance(expected, dict) and isinstance(actual, dict):
        return all(value is None or covers(value, actual.get(name)) for name, value in expected.items())
    if isinstance(expected, list | tuple) and isinstance(actual, list | tuple):
        return len(expected) == len(actual) and all(map(covers, expected, actual))
    return expected == actual


def _compared(prefix: str, expected: Compared, actual: Compared, skip: tuple[str, ...]) -> Iterator[Comparison]:
    for name in type(expected).model_fields:
        expected_value = getattr(expected, name)
        if name in skip or expected_value is None or (name == "storage_encrypted" and not expected_value):
            continue
        if name.endswith("kms_key_id") and not str(expected_value).startswith("arn:"):
            continue  # RDS answers with the key's ARN, whatever name the request has for it
        actual_value = getattr(actual, name)
        is_equal = _canonical(expected_value) == _canonical(actual_value)
        yield Comparison(f"{prefix}{name}", _shown(expected_value), _shown(actual_value), met=is_equal)


def _canonical(value: object) -> object:
    """Order means nothing to RDS in a list; nothing, off and an empty list are the same to a reader."""
    if isinstance(value, tuple):
        return frozenset(map(str, value)) or None
    return value or None


def _shown(value: object) -> str:
    text = "nothing" if value in (None, (), {}) else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
