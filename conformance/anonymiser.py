"""Replaces what names an account or a resource, so that a report can be published.

A report holds the words of the claims and of botocore's model; only AWS's own texts can hold more. Every text goes through
`Anonymiser.clean`: names that the check knows, and whatever has the form of an ARN, an account number, an endpoint, an
address or a resource id. The same value gets the same placeholder in the whole report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import count

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
"""What an answer and a report consist of."""

_FORMS = (
    ("arn", r"arn:aws[a-z-]*:[^\s\"'<>,;()\[\]]+"),
    ("url", r"https?://[^\s\"'<>()\[\]]+"),
    ("e-mail", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    ("endpoint", r"(?:[\w*-]+\.)+(?:amazonaws\.com(?:\.cn)?|rds\.localhost)"),
    ("own-name", r"aws-check-[0-9a-f]{12}[a-z-]*"),
    ("uuid", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    ("resource-id", r"(?:cluster|db|prx|shardgroup)-[A-Z0-9]{16,}"),
    ("resource-id", r"(?:vpc|subnet|sg|eni|i|key|mrk|igw|rtb)-[0-9a-f]{8,}"),
    ("access-key", r"A[KS]IA[A-Z0-9]{12,}"),
    ("secret", r"rds!(?:cluster|db)-[\w-]+"),
    ("snapshot", r"(?:rds:[A-Za-z][\w-]*-\d{4}(?:-\d\d){4}|awsbackup:job-[\w-]+)"),
    ("account", r"\d{12}"),
    ("address", r"\d{1,3}(?:\.\d{1,3}){3}"),
)
"""Kinds of identifiers, and how each is written. An ARN is replaced whole: it holds partition, region, account and name."""
_EDGES = r"(?<![\w-])(?:{})(?![\w-])"
_EDGES_OF_NUMBER = r"(?<!\d)(?:{})(?!\d)"
"""Of an account number, which no letter before it hides."""


class Anonymiser:
    """Placeholders for the identifiers of one report."""

    def __init__(self) -> None:
        """No name is known yet; forms are."""
        self._names: dict[str, str] = {}
        self._values: dict[tuple[str, str], str] = {}
        self._numbers: dict[str, count[int]] = {}
        self._expression: re.Pattern[str] | None = None

    def add_name(self, name: str, placeholder: str | None = None) -> None:
        """Replace a name, whatever its case; without a placeholder of its own by `<name-N>`."""
        if name and name.lower() not in self._names:
            self._names[name.lower()] = f"<{placeholder}>" if placeholder else self._placeholder("name", name.lower())
            self._expression = None

    def clean(self, text: str) -> str:
        """The text with a placeholder for each identifier in it; one pass, so that no placeholder is read again."""
        self._expression = self._expression or self._compile()
        return self._expression.sub(self._replacement, text)

    def clean_all(self, value: Json) -> Json:
        """A value of JSON with each of its texts clean, keys included."""
        match value:
            case str():
                return self.clean(value)
            case Mapping():
                return {self.clean(key): self.clean_all(each) for key, each in value.items()}
            case Sequence():
                return [self.clean_all(each) for each in value]
        return value

    def _compile(self) -> re.Pattern[str]:
        # A name inside an ARN or an endpoint goes with it, so those come first; of two names the longer one.
        names = "|".join(re.escape(name) for name in sorted(self._names, key=len, reverse=True))
        forms = [(_EDGES_OF_NUMBER if kind == "account" else _EDGES).format(form) for kind, form in _FORMS]
        wide, narrow = forms[:4], forms[4:]
        parts = [*wide, *([_EDGES.format(f"(?i:{names})")] if names else []), *narrow]
        return re.compile("|".join(parts))

    def _replacement(self, found: re.Match[str]) -> str:
        text = found[0]
        name = self._names.get(text.lower())
        if name is not None:
            return name
        kind = next(kind for kind, form in _FORMS if re.fullmatch(form, text))
        return self._placeholder(kind, text)

    def _placeholder(self, kind: str, value: str) -> str:
        if (kind, value) not in self._values:
            number = next(self._numbers.setdefault(kind, count(1)))
            self._values[kind, value] = f"<{kind}-{number}>"
        return self._values[kind, value]
