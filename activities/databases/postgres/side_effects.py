"""What a copy of a PostgreSQL database would do by itself: cron jobs, subscriptions, foreign servers, event triggers.

A subscription's worker starts with the server, and pg_cron with it, before any statement of the pipeline: what happens
until then only a network without a way out prevents.
Sources: PostgreSQL documentation, ALTER SUBSCRIPTION, DROP USER MAPPING, ALTER EVENT TRIGGER, pg_subscription,
pg_user_mappings; pg_cron's README; RDS User Guide, "Scheduling maintenance with the PostgreSQL pg_cron extension",
"Invoking an AWS Lambda function from an Aurora PostgreSQL DB cluster".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from activities.databases.postgres.acting_role import as_role
from errors import StepFailed
from models.side_effects import EVERY, KeptSideEffects, SideEffect, SideEffectKind
from models.users import SERVICE_LOGINS

_CALLS = r"\m(aws_lambda|aws_s3|dblink\w*)\M"
"""In a function's source: extensions through which it leaves the database. Both of AWS are schemas."""

PAUSE_JOB: LiteralString = "SELECT cron.alter_job(%s, active := false)"
REMOVE_JOB: LiteralString = "SELECT cron.unschedule(%s)"
Connect = Callable[[str], psycopg.Connection]


def disable_side_effects(
    connect: Connect, session: psycopg.Connection, users: Iterable[str], keep: KeptSideEffects
) -> Iterator[SideEffect]:
    """Disable what the request does not keep, in every database; yields each as soon as it is done.

    `session` is connected to any database of the server, `users` are the roles that are locked now and opened later.
    Raises `StepFailed` for one that the master user may not disable.
    """
    yield from _disable_cron_jobs(connect, session, users, keep)
    for database in _databases(session):
        with closing(connect(database)) as connection:
            yield from _disable_subscriptions(connection, keep)
            yield from _drop_user_mappings(connection, keep)
            yield from _disable_event_triggers(connection, keep)
            yield from _list_outgoing_calls(connection)
    for database in _unseen_databases(session):
        yield SideEffect(kind=SideEffectKind.UNSEEN_DATABASES, name=database, disabled=False)


def _databases(session: psycopg.Connection) -> list[str]:
    rows = session.execute(
        "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate"
        " AND has_database_privilege(oid, 'CONNECT') ORDER BY 1"
    )
    return [name for (name,) in rows]


def _unseen_databases(session: psycopg.Connection) -> list[str]:
    """Without RDS's own, whose content it knows."""
    rows = session.execute(
        "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate AND datname <> 'rdsadmin'"
        " AND NOT has_database_privilege(oid, 'CONNECT') ORDER BY 1"
    )
    return [name for (name,) in rows]


def _disable_cron_jobs(
    connect: Connect, session: psycopg.Connection, users: Iterable[str], keep: KeptSideEffects
) -> Iterator[SideEffect]:
    """Each role sees its own jobs only; a job of a role that cannot log in does not run (pg_cron's README)."""
    [(database,)] = session.execute("SELECT current_setting('cron.database_name', true)").fetchall()
    if not database or database not in _databases(session):
        return
    with closing(connect(database)) as connection:
        if connection.execute("SELECT to_regclass('cron.job')").fetchone() == (None,):
            return
        for role in _roles_that_log_in(connection, users):
            refusal = _refuse_if_denied(SideEffectKind.CRON_JOBS, f"{EVERY} (jobs of {role})")
            # Jobs that the master user may not even see are no reason to stop if the request keeps every job.
            denial = suppress(InsufficientPrivilege) if keep.keeps(SideEffectKind.CRON_JOBS, EVERY) else refusal
            with denial, as_role(connection, role):
                yield from _disable_own_cron_jobs(connection, keep)


def _disable_own_cron_jobs(connection: psycopg.Connection, keep: KeptSideEffects) -> Iterator[SideEffect]:
    """The jobs of the session's role."""
    jobs = connection.execute(
        "SELECT jobid, coalesce(jobname, jobid::text) FROM cron.job WHERE active AND username = current_user ORDER BY 1"
    ).fetchall()
    for job, name in jobs:
        disabled = not keep.keeps(SideEffectKind.CRON_JOBS, name)
        if disabled:
            connection.execute(PAUSE_JOB if _may_pause_jobs(connection) else REMOVE_JOB, (job,))
        yield SideEffect(kind=SideEffectKind.CRON_JOBS, name=name, disabled=disabled)


def _may_pause_jobs(connection: psycopg.Connection) -> bool:
    """Only RDS's master user may; another role may only remove its own jobs, which the snapshot still has."""
    pausing = "to_regprocedure('cron.alter_job(bigint, text, text, text, text, boolean)')"
    [(may_pause,)] = connection.execute(
        f"SELECT coalesce(has_function_privilege({pausing}::oid, 'EXECUTE'), false)"
    ).fetchall()
    return bool(may_pause)


def _roles_that_log_in(connection: psycopg.Connection, users: Iterable[str]) -> list[str]:
    rows = connection.execute(
        "SELECT rolname FROM pg_catalog.pg_roles WHERE NOT rolsuper AND (rolcanlogin OR rolname = ANY (%s)) ORDER BY 1",
        (list(users),),
    )
    return [name for (name,) in rows if name not in SERVICE_LOGINS]


def _disable_subscriptions(connection: psycopg.Connection, keep: KeptSideEffects) -> Iterator[SideEffect]:
    """Without its slot's name, a subscription can be dropped without touching the slot on production."""
    subscriptions = connection.execute(
        "SELECT subname, rolname FROM pg_catalog.pg_subscription"
        " JOIN pg_catalog.pg_database ON pg_database.oid = subdbid JOIN pg_catalog.pg_roles ON pg_roles.oid = subowner"
        " WHERE datname = current_database() AND (subenabled OR subslotname IS NOT NULL) ORDER BY 1"
    ).fetchall()
    for name, owner in subscriptions:
        quoted = sql.Identifier(name)
        statements = (
            sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(quoted),
            sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(quoted),
        )
        yield _disable(connection, SideEffectKind.SUBSCRIPTIONS, name, owner, keep, statements)


def _drop_user_mappings(connection: psycopg.Connection, keep: KeptSideEffects) -> Iterator[SideEffect]:
    """A foreign server cannot be disabled; without the login that a mapping holds, its tables reach nothing."""
    mappings = connection.execute(
        "SELECT mapping.srvname, usename, rolname FROM pg_catalog.pg_user_mappings AS mapping"
        " JOIN pg_catalog.pg_foreign_server AS server ON server.oid = srvid"
        " JOIN pg_catalog.pg_roles ON pg_roles.oid = srvowner ORDER BY 1, 2"
    ).fetchall()
    for server, user, owner in mappings:
        mapped = sql.SQL("PUBLIC") if user == "public" else sql.Identifier(user)
        statement = sql.SQL("DROP USER MAPPING IF EXISTS FOR {} SERVER {}").format(mapped, sql.Identifier(server))
        yield _disable(connection, SideEffectKind.USER_MAPPINGS, server, owner, keep, [statement])


def _disable_event_triggers(connection: psycopg.Connection, keep: KeptSideEffects) -> Iterator[SideEffect]:
    """Not those of a superuser: on RDS only RDS itself is one."""
    triggers = connection.execute(
        "SELECT evtname, rolname FROM pg_catalog.pg_event_trigger JOIN pg_catalog.pg_roles ON pg_roles.oid = evtowner"
        " WHERE evtenabled <> 'D' AND NOT rolsuper ORDER BY 1"
    ).fetchall()
    for name, owner in triggers:
        statement = sql.SQL("ALTER EVENT TRIGGER {} DISABLE").format(sql.Identifier(name))
        yield _disable(connection, SideEffectKind.EVENT_TRIGGERS, name, owner, keep, [statement])


def _list_outgoing_calls(connection: psycopg.Connection) -> Iterator[SideEffect]:
    """Functions that call AWS or another database, with the tables whose triggers call them."""
    functions = connection.execute(
        """
        SELECT nspname || '.' || proname, (regexp_match(prosrc, %(calls)s, 'i'))[1],
            (SELECT string_agg(DISTINCT tgrelid::regclass::text, ', ') FROM pg_catalog.pg_trigger
             WHERE tgfoid = pg_proc.oid AND tgenabled <> 'D')
        FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace
            JOIN pg_catalog.pg_language ON pg_language.oid = prolang
        WHERE lanname NOT IN ('internal', 'c') AND prosrc ~* %(calls)s
            AND nspname NOT IN ('aws_lambda', 'aws_s3', 'aws_commons') ORDER BY 1
        """,
        {"calls": _CALLS},
    ).fetchall()
    for function, extension, tables in functions:
        trigger = f", by a trigger of {tables}" if tables else ""
        name = f"{connection.info.dbname}: {function} calls {extension}{trigger}"
        yield SideEffect(kind=SideEffectKind.OUTGOING_CALLS, name=name, disabled=False)


def _disable(
    connection: psycopg.Connection,
    kind: SideEffectKind,
    name: str,
    owner: str,
    keep: KeptSideEffects,
    statements: Iterable[sql.Composed],
) -> SideEffect:
    """Run the statements as the owner, unless the request keeps this one: then nothing is asked of its owner."""
    if keep.keeps(kind, name):
        return SideEffect(kind=kind, name=name, disabled=False)
    with _refuse_if_denied(kind, name), as_role(connection, owner):
        for statement in statements:
            connection.execute(statement)
    return SideEffect(kind=kind, name=name, disabled=True)


@contextmanager
def _refuse_if_denied(kind: SideEffectKind, name: str) -> Iterator[None]:
    """Raise `StepFailed` if the master user may not take the owner's role, or its owner may not do it."""
    try:
        yield
    except InsufficientPrivilege as error:
        text = (
            f"The master user is not allowed to disable {kind.value} {name}, which would act as in production. "
            f"At the source, grant the master user its owner, or list it in keep_side_effects.{kind.value}."
        )
        raise StepFailed("Side effects not disabled", text, code=error.sqlstate) from None
