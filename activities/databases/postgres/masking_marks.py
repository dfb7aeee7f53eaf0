"""The marks of masked tables in a PostgreSQL database: a table is masked once, in one transaction with its mark."""

from __future__ import annotations

import psycopg

from activities.databases.masking.marks import Mark
from activities.databases.masking.units import MaskedTable

CREATE_MARK_TABLE = """
    CREATE SCHEMA IF NOT EXISTS aurora_restore;
    CREATE TABLE IF NOT EXISTS aurora_restore.masked_tables (
        cluster_resource_id text, table_name text, digest text NOT NULL, masked_rows bigint NOT NULL,
        masked_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (cluster_resource_id, table_name))
"""
MARK_TABLES = ("ran_files", "masked_tables")
"""The pipeline's own tables, in the schema of the marks."""


def find_mark(connection: psycopg.Connection, cluster_resource_id: str, masked: MaskedTable) -> Mark | None:
    """None if the table was not masked in this restored cluster."""
    row = connection.execute(
        "SELECT digest, masked_rows FROM aurora_restore.masked_tables WHERE cluster_resource_id = %s AND table_name = %s",
        (cluster_resource_id, masked.table.text),
    ).fetchone()
    return Mark(*row) if row else None


def insert_mark(connection: psycopg.Connection, cluster_resource_id: str, masked: MaskedTable, rows: int) -> None:
    """In the transaction that has masked the table."""
    connection.execute(
        "INSERT INTO aurora_restore.masked_tables (cluster_resource_id, table_name, digest, masked_rows)"
        " VALUES (%s, %s, %s, %s)",
        (cluster_resource_id, masked.table.text, masked.digest, rows),
    )
