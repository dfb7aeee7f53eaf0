"""The pipeline's whole environment on one machine: Temporal, AWS and PostgreSQL, without Docker, AWS account or root.

Nothing in production imports this package.
"""
