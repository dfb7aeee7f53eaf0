"""Text with a form: the pattern that a value must match, and the words that tell an operator what is expected."""

from typing import Annotated

from pydantic import StringConstraints

EXPECTED: dict[str, str] = {}
"""By pattern: the words, for models.validation_errors."""


def text_form(
    pattern: str, expected: str, *, min_length: int | None = None, max_length: int | None = None
) -> StringConstraints:
    """The constraints of a text that matches the pattern; `expected` completes "must be"."""
    EXPECTED[pattern] = expected
    return StringConstraints(pattern=pattern, min_length=min_length, max_length=max_length)


LogType = Annotated[str, text_form(r"^[a-z-]{1,40}$", "a log type such as postgresql")]
TagKey = Annotated[
    str, text_form(r"^[A-Za-z0-9 _.:/=+@-]{1,128}$", "1 to 128 letters, digits, spaces and the characters _.:/=+@-")
]
TagValue = Annotated[
    str, text_form(r"^[A-Za-z0-9 _.:/=+@-]{0,256}$", "at most 256 letters, digits, spaces and the characters _.:/=+@-")
]
BackupWindow = Annotated[
    str, text_form(r"^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$", "a window such as 03:00-03:30")
]
MaintenanceWindow = Annotated[
    str,
    text_form(
        r"^[a-z]{3}:[0-2][0-9]:[0-5][0-9]-[a-z]{3}:[0-2][0-9]:[0-5][0-9]$", "a window such as sun:04:00-sun:04:30"
    ),
]
