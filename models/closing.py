"""How a restored database is closed: nobody but the master user gets in until it is ready for its users."""

from pydantic import Field

from models.model import Model
from models.side_effects import KeptSideEffects
from models.users import OtherLogins, SqlFile


class Closing(Model):
    """What the request says of the logins and the side effects that come with a snapshot."""

    users: tuple[str, ...] = Field(description="The users of the request, who are locked too until the end.")
    other_logins: OtherLogins
    keep_logins: tuple[str, ...] = ()
    keep_side_effects: KeptSideEffects = KeptSideEffects()
    sql_files: tuple[SqlFile, ...] = Field(
        default=(), description="Once one of them has run in the cluster, only the users are locked."
    )

    def must_lock(self, login: str, *, has_run_files: bool) -> bool:
        """Whether the login must not get in before the database is open.

        Once a file has run, only the users are locked: the file may have opened another login.
        """
        if login in self.users:
            return True
        return not (has_run_files or self.other_logins is OtherLogins.KEEP or login in self.keep_logins)


class ClosedDatabase(Model):
    """What check-restore-status has closed, for setup-db-users to go on with and to report."""

    locked: tuple[str, ...] = ()
    more_locked: int = Field(default=0, description="Locked logins that are not named.")
    side_effects: dict[str, tuple[str, ...]] = Field(
        default={}, description="By what was done with them: disabled_cron_jobs, kept_events …"
    )
