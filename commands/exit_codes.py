"""What the operator's command line ends with, for a shell script to act on."""

FINE, FAILED, MISTAKE, REFUSED, CANCELLED, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
