"""What is wrong with an input, listed for the person who wrote it."""

from pydantic import ValidationError


def describe_validation_errors(error: ValidationError) -> str:
    """Every fault as "where: what", one a line; never the value, which might be a secret typed in the wrong place."""
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in fault["loc"] if part != "RestoreRequest") or "request"
        lines.append(f"{where}: {fault['msg'].removeprefix('Value error, ')}")
    return "\n".join(dict.fromkeys(lines))
