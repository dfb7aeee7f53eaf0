"""Runs as Temporal knows them, for the operator's command line: restores, cleanups, resets, decisions, schedules."""
