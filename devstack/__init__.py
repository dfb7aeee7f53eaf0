"""The pipeline's whole world on a laptop: a Temporal server, AWS and PostgreSQL, without Docker, account or root.

Nothing in production imports this package.
"""
