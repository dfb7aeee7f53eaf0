"""The operator's verbs, one file each: its options (`arguments`) and its work (`run`, which returns the exit code).

What a verb needs is imported inside it: `--help` and a mistyped argument are answered before boto3 and temporalio are
loaded, which takes a second.
"""
