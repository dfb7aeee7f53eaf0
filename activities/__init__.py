"""What a night does to the world: one noun per file, every method safe to run twice.

A method looks, makes the one call that is still missing, and returns a model. It never waits: the workflow's
durable timers do. Imports models, errors and clients, never workflows and never the audit trail.
"""
