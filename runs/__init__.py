"""Runs as Temporal knows them: restores, cleanups, resets and schedules, from the operator's side."""
