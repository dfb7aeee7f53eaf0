"""The marks of masked tables in MySQL, for all databases in one table."""

from __future__ import annotations

from activities.databases.masking.marks import Mark
from activities.databases.masking.units import MaskedTable
from activities.databases.mysql.accounts import MysqlConnection, execute

CREATE_MARK_TABLE = (
    "CREATE DATABASE IF NOT EXISTS aurora_restore",
    """
    CREATE TABLE IF NOT EXISTS aurora_restore.masked_tables (
        cluster_resource_id VARCHAR(60), in_database VARCHAR(64) COLLATE utf8mb4_bin,
        table_name VARCHAR(64) COLLATE utf8mb4_bin, digest CHAR(64) NOT NULL, masked_rows BIGINT NOT NULL,
        masked_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        PRIMARY KEY (cluster_resource_id, in_database, table_name)) ENGINE InnoDB DEFAULT CHARSET utf8mb4
    """,
)
MARK_TABLES = ("ran_files", "masked_tables")
"""The pipeline's own tables, in the database of the marks."""
FIND_MARK = (
    "SELECT digest, masked_rows FROM aurora_restore.masked_tables"
    " WHERE cluster_resource_id = %s AND in_database = %s AND table_name = %s FOR UPDATE"
)
INSERT_MARK = (
    "INSERT INTO aurora_restore.masked_tables (cluster_resource_id, in_database, table_name, digest, masked_rows)"
    " VALUES (%s, %s, %s, %s, %s)"
)


def find_mark(connection: MysqlConnection, cluster_resource_id: str, masked: MaskedTable) -> Mark | None:
    """None if the table was not masked in this restored cluster."""
    rows = execute(connection, FIND_MARK, cluster_resource_id, masked.table.database, masked.table.text)
    return Mark(*rows[0]) if rows else None


def insert_mark(connection: MysqlConnection, cluster_resource_id: str, masked: MaskedTable, rows: int) -> None:
    """In the transaction that has masked the table."""
    table = masked.table
    execute(connection, INSERT_MARK, cluster_resource_id, table.database, table.text, masked.digest, str(rows))
