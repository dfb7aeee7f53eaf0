"""The exit codes of the operator's command line, for shell scripts."""

FINE, FAILED, MISTAKE, REFUSED, CANCELLED, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

UNKNOWN = 3
"""Of `healthy`, whose exit codes are those of a monitoring plugin: also a mistake in the arguments."""

COULD_NOT_ASK = 2
"""Of `aws-check`, which has 0 for the same answers and 1 for others: also a mistake in the arguments."""
