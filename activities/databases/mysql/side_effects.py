"""What a copy of a MySQL database would do by itself: events, and replication from outside of Aurora.

Events fire as soon as the server is up, a locked definer's too; what happens until then only a network without a way out
prevents.
Sources: MySQL Reference Manual, ALTER EVENT, "The INFORMATION_SCHEMA EVENTS Table", "Stored Object Access Control"; Aurora
User Guide, mysql.rds_stop_replication, mysql.rds_reset_external_source, "Invoking a Lambda function from an Aurora MySQL DB
cluster", "Saving data from an Amazon Aurora MySQL DB cluster into text files in an Amazon S3 bucket".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymysql.constants import ER
from pymysql.err import MySQLError

from activities.databases.mysql.accounts import Account, MysqlConnection, execute, quote_account, quote_identifier
from clients.mysql import error_code
from errors import StepFailed
from models.side_effects import KeptSideEffects, SideEffect, SideEffectKind

DENIED = {ER.SPECIFIC_ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.ACCESS_DENIED_ERROR}
EXTERNAL_SOURCE = "external source"
CALLS = "lambda_async|lambda_sync|OUTFILE S3|FROM S3"
"""In a routine or trigger: through which it leaves the database."""


def disable_side_effects(connection: MysqlConnection, keep: KeptSideEffects) -> Iterator[SideEffect]:
    """Disable what the request does not keep; yields each as soon as it is done.

    Raises `StepFailed` for one that the master user may not disable.
    """
    yield from _stop_replication(connection, keep)
    yield from _disable_events(connection, keep)
    yield from _list_outgoing_calls(connection)


def _disable_events(connection: MysqlConnection, keep: KeptSideEffects) -> Iterator[SideEffect]:
    events = execute(
        connection,
        "SELECT EVENT_SCHEMA, EVENT_NAME, DEFINER FROM information_schema.EVENTS WHERE STATUS = 'ENABLED'"
        " AND EVENT_SCHEMA NOT IN ('mysql', 'sys') ORDER BY 1, 2",
    )
    for database, event, definer in events:
        name = f"{database}.{event}"
        disabled = not keep.keeps(SideEffectKind.EVENTS, name)
        if disabled:
            with _refuse_if_denied(SideEffectKind.EVENTS, name):
                _disable_event(connection, f"{quote_identifier(database)}.{quote_identifier(event)}", definer)
        yield SideEffect(kind=SideEffectKind.EVENTS, name=name, disabled=disabled)


def _disable_event(connection: MysqlConnection, event: str, definer: str) -> None:
    """Keep its definer: without one, ALTER EVENT makes the master user the definer.

    Aurora MySQL 2 has no SET_USER_ID: there the definer changes. Source: Aurora User Guide, "Master user account
    privileges"; MySQL Reference Manual, ALTER EVENT.
    """
    name, _, host = definer.rpartition("@")
    try:
        account = quote_account(connection, Account(name, host))
        execute(connection, f"ALTER DEFINER = {account} EVENT {event} DISABLE")
    except MySQLError as error:
        if error_code(error) not in DENIED:
            raise
        execute(connection, f"ALTER EVENT {event} DISABLE")


def _stop_replication(connection: MysqlConnection, keep: KeptSideEffects) -> Iterator[SideEffect]:
    """Its position and its login are removed too, so that no restart of the server begins it again."""
    with _refuse_if_denied(SideEffectKind.REPLICATION, EXTERNAL_SOURCE):
        if not _has_external_source(connection):
            return
        disabled = not keep.keeps(SideEffectKind.REPLICATION, EXTERNAL_SOURCE)
        if disabled:
            execute(connection, "CALL mysql.rds_stop_replication")
            execute(connection, f"CALL mysql.{_reset_procedure(connection)}")
    yield SideEffect(kind=SideEffectKind.REPLICATION, name=EXTERNAL_SOURCE, disabled=disabled)


def _has_external_source(connection: MysqlConnection) -> bool:
    """Source: MySQL Reference Manual, SHOW REPLICA STATUS, which is SHOW SLAVE STATUS before 8.0.22."""
    try:
        return bool(execute(connection, "SHOW REPLICA STATUS"))
    except MySQLError as error:
        if error_code(error) != ER.PARSE_ERROR:
            raise
        return bool(execute(connection, "SHOW SLAVE STATUS"))


def _reset_procedure(connection: MysqlConnection) -> str:
    """Aurora MySQL 3 has renamed it."""
    routines = execute(
        connection,
        "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'mysql'"
        " AND ROUTINE_NAME IN ('rds_reset_external_source', 'rds_reset_external_master') ORDER BY 1 DESC",
    )
    return str(routines[0][0]) if routines else "rds_reset_external_source"


def _list_outgoing_calls(connection: MysqlConnection) -> Iterator[SideEffect]:
    found = execute(
        connection,
        "SELECT concat(TRIGGER_SCHEMA, '.', TRIGGER_NAME, ', a trigger of ', EVENT_OBJECT_TABLE),"
        " REGEXP_SUBSTR(ACTION_STATEMENT, %s) FROM information_schema.TRIGGERS WHERE ACTION_STATEMENT REGEXP %s"
        " UNION ALL SELECT concat(ROUTINE_SCHEMA, '.', ROUTINE_NAME), REGEXP_SUBSTR(ROUTINE_DEFINITION, %s)"
        " FROM information_schema.ROUTINES"
        " WHERE ROUTINE_DEFINITION REGEXP %s AND ROUTINE_SCHEMA NOT IN ('mysql', 'sys') ORDER BY 1",
        *(CALLS,) * 4,
    )
    for name, call in found:
        yield SideEffect(kind=SideEffectKind.OUTGOING_CALLS, name=f"{name} calls {call}", disabled=False)


@contextmanager
def _refuse_if_denied(kind: SideEffectKind, name: str) -> Iterator[None]:
    """Raise `StepFailed` if the master user may not do it, or the server has no procedure for it."""
    try:
        yield
    except MySQLError as error:
        if error_code(error) not in {*DENIED, ER.SP_DOES_NOT_EXIST}:
            raise
        text = (
            f"The master user cannot disable {kind.value} {name}, which would act as in production. "
            f"Disable it at the source, or list it in keep_side_effects.{kind.value}."
        )
        raise StepFailed("Side effects not disabled", text, code=str(error_code(error))) from None
