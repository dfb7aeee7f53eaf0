"""Text with a form: the pattern that a value must match, and the words that tell an operator what is expected."""

from pydantic import StringConstraints

EXPECTED: dict[str, str] = {}
"""By pattern: the words, for models.validation_errors."""


def text_form(
    pattern: str, expected: str, *, min_length: int | None = None, max_length: int | None = None
) -> StringConstraints:
    """The constraints of a text that matches the pattern; `expected` completes "must be"."""
    EXPECTED[pattern] = expected
    return StringConstraints(pattern=pattern, min_length=min_length, max_length=max_length)
