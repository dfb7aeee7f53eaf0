"""The pipeline's whole world on a laptop: Temporal, AWS and PostgreSQL, without Docker, account or root.

Nothing in production imports this package.
"""
