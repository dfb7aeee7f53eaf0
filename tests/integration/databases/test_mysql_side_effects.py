"""What a copy of a MySQL database would do by itself: events, replication from outside, calls to Lambda and S3."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from errors import StepFailed
from models.side_effects import EVERY, KeptSideEffects
from tests.rigs.databases import MASTER, Mysql, wait_until

DEFINER = "scheduler"


@pytest.fixture
def insert_every_second(mysql: Mysql) -> Iterator[str]:
    """An event that changes the data, with the scheduler on."""
    mysql.host.as_rdsadmin("restored", "SET GLOBAL event_scheduler = ON")
    mysql.as_master("CREATE TABLE ticks (at timestamp(6))")
    mysql.host.as_rdsadmin("restored", f"CREATE USER {DEFINER}")
    mysql.host.as_rdsadmin("restored", f"GRANT EVENT, INSERT ON {mysql.name}.* TO {DEFINER}")
    schedule = "ON SCHEDULE EVERY 1 SECOND DO INSERT INTO ticks VALUES (now(6))"
    mysql.as_master(f"CREATE DEFINER = {DEFINER}@'%' EVENT tick {schedule}")
    yield f"{mysql.name}.tick"
    mysql.as_master("DROP EVENT tick")
    mysql.host.as_rdsadmin("restored", f"DROP USER {DEFINER}")
    mysql.host.as_rdsadmin("restored", "SET GLOBAL event_scheduler = OFF")


def test_an_event_fires_no_more(mysql: Mysql, insert_every_second: str) -> None:
    """A locked definer's too: ACCOUNT LOCK stops no event."""
    wait_until(lambda: mysql.as_master("SELECT 1 FROM ticks"))
    assert mysql.set_up().facts["disabled_events"] == insert_every_second
    definer = mysql.as_master("SELECT DEFINER FROM information_schema.EVENTS WHERE EVENT_NAME = 'tick'")
    assert definer == [(f"{DEFINER}@%",)], "it stays its definer's"
    before = mysql.as_master("SELECT count(*) FROM ticks")
    time.sleep(2)
    assert mysql.as_master("SELECT count(*) FROM ticks") == before


@pytest.mark.parametrize("name", [EVERY, None], ids=["every", "by name"])
def test_an_event_that_the_request_keeps_still_fires(mysql: Mysql, insert_every_second: str, name: str | None) -> None:
    """By its database and name, or every event."""
    keep = KeptSideEffects(events=(name or insert_every_second,))
    assert mysql.set_up(keep_side_effects=keep).facts["kept_events"] == insert_every_second
    mysql.as_master("DELETE FROM ticks")
    wait_until(lambda: mysql.as_master("SELECT 1 FROM ticks"))


def test_routines_that_leave_a_mysql_database_are_listed(mysql: Mysql) -> None:
    """Through Lambda, as the Aurora guide shows it."""
    mysql.as_master("CREATE PROCEDURE tell() SELECT lambda_async('arn', '{}')")
    assert f"{mysql.name}.tell calls lambda_async" in mysql.set_up().facts["found_outgoing_calls"]


@pytest.fixture
def external_source(mysql: Mysql) -> Iterator[None]:
    """Replication from production, and RDS's procedures that end it. Source: Aurora User Guide, mysql.rds_*."""
    as_rds = mysql.host.as_rdsadmin
    as_rds("restored", "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_USER = 'replica', MASTER_PORT = 1")
    procedures = {"rds_stop_replication": "STOP SLAVE", "rds_reset_external_source": "RESET SLAVE ALL"}
    for name, statement in procedures.items():
        as_rds("restored", f"CREATE PROCEDURE mysql.{name}() {statement}")
    as_rds("restored", f"GRANT EXECUTE ON mysql.* TO {MASTER}@'%'")
    yield
    for name in procedures:
        as_rds("restored", f"DROP PROCEDURE mysql.{name}")
    as_rds("restored", "STOP SLAVE")
    as_rds("restored", "RESET SLAVE ALL")


@pytest.mark.usefixtures("external_source")
def test_replication_from_outside_is_ended_for_good(mysql: Mysql) -> None:
    """Its source and its login are forgotten, so that no restart begins it again."""
    assert mysql.set_up().facts["disabled_replication"] == "external source"
    assert mysql.host.as_rdsadmin("restored", "SHOW SLAVE STATUS") == []


@pytest.mark.usefixtures("external_source")
def test_replication_that_the_request_keeps_goes_on(mysql: Mysql) -> None:
    """And so does a restore on a server without RDS's procedures, which says what to do otherwise."""
    assert mysql.set_up(keep_side_effects=KeptSideEffects(replication=(EVERY,))).facts["kept_replication"]
    mysql.host.as_rdsadmin("restored", "DROP PROCEDURE mysql.rds_stop_replication")
    try:
        with pytest.raises(StepFailed, match=r"Side effects not disabled.*keep_side_effects\.replication"):
            mysql.set_up()
    finally:
        mysql.host.as_rdsadmin("restored", "CREATE PROCEDURE mysql.rds_stop_replication() STOP SLAVE")
    assert len(mysql.host.as_rdsadmin("restored", "SHOW SLAVE STATUS")) == 1
