"""Fields of a request that only one engine knows: the preflight refuses them for the other, and so does the step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from activities.databases.sql_traps import MYSQL
from limits import MAX_QUOTED, join_names, shorten
from models.users import DatabaseUser, DataCheck, SqlFile


def find_fields_of_other_engine(
    engine: str, users: Sequence[DatabaseUser], files: Sequence[SqlFile], checks: Sequence[DataCheck] = ()
) -> Iterator[str]:
    """One sentence for each kind of field that the engine does not have, with what has it."""
    if engine != MYSQL:
        if with_host := [user.name for user in users if user.host is not None]:
            names = join_names(with_host, MAX_QUOTED)
            yield f"{names} in users has a host, and PostgreSQL's roles have none. Remove host from users"
        return
    acting = [sql_file.file for sql_file in files if sql_file.run_as is not None]
    acting += [f"the check {shorten(check.query, MAX_QUOTED)}" for check in checks if check.run_as is not None]
    if acting:
        names = join_names(acting, MAX_QUOTED)
        yield f"{names} has run_as, and MySQL runs everything as the master user. Remove run_as from the request"
