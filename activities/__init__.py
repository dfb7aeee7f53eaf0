"""The activities that the worker registers: one noun per file, each method safe to run twice.

A method reads the resource, makes the one call that is missing, and returns a model. It never waits: the workflow's
durable timers do. Imports models, errors and clients, never workflows and never the audit trail.
"""
