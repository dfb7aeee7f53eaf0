"""A plan as a page that an operator reads, and signs if it says that the night would run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from activities.preflight.plan import CheckResult, Plan
from models.configuration import Instance, ServerlessV2Scaling
from models.users import OtherLogins

if TYPE_CHECKING:
    from collections.abc import Sequence


def page(plan: Plan) -> RenderableType:
    """Everything, in the order of the night; the last line is the verdict."""
    parts = (
        ("Source snapshot", _rows(_snapshot(plan))),
        ("Copy", _rows(_copy(plan))),
        ("Would be deleted", _rows(_deletion(plan))),
        ("Would be restored", _rows(_cluster(plan))),
        ("Database", _rows(_database(plan))),
        ("Afterwards", _rows(_afterwards(plan))),
        ("Checks", _checks(plan)),
    )
    sections = [part for title, body in parts for part in (Text(f"\n{title}", "bold"), body)]
    return Group(_title(plan), *sections, Text(f"\n{verdict(plan)}", "bold red" if plan.obstacles else "bold green"))


def verdict(plan: Plan) -> str:
    """The last line."""
    count = len(plan.obstacles)
    return f"{count} thing{'s' if count > 1 else ''} would stop it." if count else "The night would run."


def _title(plan: Plan) -> Text:
    source, target = plan.request.source, plan.request.target
    when = f"Plan of a night that begins {plan.at:%Y-%m-%d %H:%M} UTC; nothing was changed."
    return Text(f"{when}\n{target.arn} would be replaced by {source.arn}")


def _snapshot(plan: Plan) -> Iterator[tuple[str, str]]:
    snapshot = plan.snapshot
    if snapshot is None:
        yield "none", "see the checks"
        return
    yield "name", f"{snapshot.identifier} ({snapshot.type})"
    yield "created", f"{snapshot.created_at:%Y-%m-%d %H:%M} UTC, {_age(plan.at - snapshot.created_at)} ago"
    yield "engine", f"{snapshot.engine} {snapshot.engine_version}"
    yield "encrypted", f"yes, with {snapshot.kms_key_id}" if snapshot.encrypted else "no"


def _copy(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.copy is None:
        yield "none", "see the checks"
    elif not plan.copy.copied:
        yield "none", "not needed: source and target share a region of an account"
    else:
        yield "name", plan.copy.identifier
        yield "there", f"yes, {plan.copy_status}: it would be adopted" if plan.copy_status else "no: it would be made"


def _deletion(plan: Plan) -> Iterator[tuple[str, str]]:
    sighting = plan.target.sighting
    if sighting is None:
        yield "nothing", f"no {plan.request.target.arn} was found"
        return
    yield "cluster", sighting.cluster["DBClusterArn"]
    yield "resource id", sighting.cluster["DbClusterResourceId"]
    yield "status", sighting.cluster["Status"]
    for one in plan.target.instances:
        yield "instance", f"{one['DBInstanceIdentifier']} ({one['DBInstanceClass']}, {one['DBInstanceStatus']})"


def _cluster(plan: Plan) -> Iterator[tuple[str, str, str]]:
    for setting in plan.settings:
        yield setting.name, _shown(setting.value), setting.origin
    target = plan.request.target
    encrypted_copy = plan.request.copy_needed and plan.snapshot is not None and plan.snapshot.encrypted
    by_itself = "missing" if encrypted_copy else "as the snapshot"
    yield "kms_key_id", target.kms_key_id or "–", "request" if target.kms_key_id else by_itself
    secret = target.master_user_secret_id
    yield (
        "master password",
        f"of the secret {secret}" if secret else "managed by RDS",
        "request" if secret else "default",
    )


def _database(plan: Plan) -> Iterator[tuple[str, str]]:
    request = plan.request
    yield "users", _joined(user.name for user in request.users)
    kept = f", except {', '.join(request.keep_logins)}" if request.keep_logins else ""
    locked = request.other_logins is OtherLogins.LOCK
    yield "other logins", f"locked{kept}" if locked else "stay as they are in the source"
    yield "SQL files", _joined(f"{one.file} in {one.database}" for one in request.sql_files)
    yield "data checks", str(len(request.checks))


def _afterwards(plan: Plan) -> Iterator[tuple[str, str]]:
    topics = plan.request.notification
    yield "copies kept", str(plan.request.archive.keep)
    yield "copies pruned", _joined(arn.rpartition(":")[2] for arn in plan.pruned)
    yield "told of success", topics.success_topic_arn or topics.topic_arn
    yield "told of failure", topics.topic_arn


def _rows(rows: Iterable[Sequence[str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(Text(""), *(Text(cell) for cell in row))
    return table


def _checks(plan: Plan) -> Group:
    return Group(*(_line(finding) for finding in plan.findings))


def _line(finding: CheckResult) -> Text:
    if finding.broken:
        return Text(f"✗ {finding.rule}: {finding.broken}", "red")
    if finding.unseen:
        return Text(f"– {finding.rule}: not looked at, {finding.unseen}", "dim")
    return Text(f"✓ {finding.rule}", "green")


def _shown(value: object) -> str:
    match value:
        case None:
            text = "–"
        case bool():
            text = "yes" if value else "no"
        case tuple():
            text = _joined(_shown(one) for one in value)
        case dict():
            text = _joined(f"{name}={one}" for name, one in value.items())
        case Instance():
            group = value.db_parameter_group_name
            text = f"{value.instance_class} with {group}" if group else value.instance_class
        case ServerlessV2Scaling():
            text = f"{value.min_capacity:g} to {value.max_capacity:g} ACU"
        case _:
            text = str(value)
    return text


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts) or "none"


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min"
