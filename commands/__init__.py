"""The operator's verbs, one file each: what it is told (`arguments`) and what it does (`run`).

What a verb needs is imported inside it: `--help` and a mistyped argument are answered before boto3 and temporalio
have been loaded, which takes a second.
"""
