"""Asks an account of AWS what the emulator claims of AWS, and reports where the answers differ.

`questions` and its neighbours are the claims, each with its source; `reads` asks those that change nothing, `life` those
that need a cluster, which it makes and removes; `own_resources` is the only module that changes or deletes anything.
docs/decisions/0033-aws-check.md has the reasons.
"""
