"""Waiting for AWS: when to poll, and the polls that an activity makes by itself near the expected end."""
