"""A plan as a page: the owner of the target reads it before the restore may delete the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.archive import Archive
from models.plan import CarryOver, CheckResult, CheckStatus, Plan
from models.request import Target
from models.users import OtherLogins
from models.waits import Leftover

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = ("unknown", "see the failed checks")


def page(plan: Plan) -> RenderableType:
    """All sections in the order of the steps, then the checks; the last line is the verdict."""
    drills = plan.request.target.drills
    sections = (
        ("Source snapshot", _rows(_snapshot(plan))),
        ("Copy", _rows(_copy(plan))),
        ("Drill" if drills else "Cluster to delete", _rows(_drill(plan) if drills else _deletion(plan))),
        *_restored(plan),
        ("Database", _rows(_database(plan))),
        ("Afterwards", _rows(_afterwards(plan))),
        ("Checks", _checks(plan)),
    )
    parts = [part for title, body in sections for part in (Text(f"\n{title}", "bold"), body)]
    return Group(_title(plan), *parts, Text(f"\n{verdict(plan)}", "bold red" if plan.failed_checks else "bold green"))


def verdict(plan: Plan) -> str:
    """Whether the restore would run."""
    kind = "drill" if plan.request.target.drills else "restore"
    match len(plan.failed_checks):
        case 0:
            return f"No check failed. The {kind} would run."
        case 1:
            return f"1 check failed. The {kind} would stop."
        case count:
            return f"{count} checks failed. The {kind} would stop."


def _title(plan: Plan) -> Text:
    source, target = plan.request.source, plan.request.target
    if target.drills:
        return Text(
            f"Plan of a drill at {plan.at:%Y-%m-%d %H:%M} UTC. This command changed nothing.\n"
            f"The drill would restore a snapshot of {source.arn}\n"
            f"beside                               {target.arn}, and touch no target"
        )
    return Text(
        f"Plan of a restore at {plan.at:%Y-%m-%d %H:%M} UTC. This command changed nothing.\n"
        f"The restore would replace {target.arn}\n"
        f"with a snapshot of        {source.arn}"
    )


def _snapshot(plan: Plan) -> Iterator[tuple[str, str]]:
    snapshot = plan.snapshot
    if snapshot is None:
        yield UNKNOWN
        return
    yield "name", f"{snapshot.identifier} ({snapshot.type})"
    yield "created", f"{snapshot.created_at:%Y-%m-%d %H:%M} UTC, {_age(plan.at - snapshot.created_at)} ago"
    yield "engine", f"{snapshot.engine} {snapshot.engine_version}"
    yield "encrypted", f"yes, with {snapshot.kms_key_id}" if snapshot.encrypted else "no"


def _copy(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.snapshot_copy is None:
        yield UNKNOWN
    elif not plan.snapshot_copy.copied:
        yield "none", "the target is in the source's account and region, so that the restore needs no copy"
    else:
        yield "name", plan.snapshot_copy.identifier
        exists = f"yes ({plan.copy_status}); the restore would adopt it"
        yield "exists", exists if plan.copy_status else "no; the restore would make it"


def _deletion(plan: Plan) -> Iterator[tuple[str, str]]:
    if not plan.target_described:
        yield UNKNOWN
        return
    cluster = plan.cluster_to_delete
    if cluster is None:
        yield "none", f"{plan.request.target.arn} does not exist"
        return
    yield "cluster", cluster.arn
    if (target := plan.request.target).swaps:
        yield "when", f"last, as {target.replaced.cluster}, when {target.beside.cluster} has taken its name"
        restart = (
            "may be restarted" if target.swap_limits.restart else "may not be restarted: such a swap is taken back"
        )
        yield "certificate", f"{target.beside.cluster} gets one of its new name only at a restart, and {restart}"
    if keep_old := target.swap_limits.keep_old:
        yield (
            "kept",
            f"for {keep_old} after the swap, with all its instances, which cost as much as those of the target",
        )
    yield "resource id", cluster.resource_id
    yield "status", cluster.status
    for instance in cluster.instances:
        yield "instance", f"{instance.identifier} ({instance.instance_class}, {instance.status})"


def _drill(plan: Plan) -> Iterator[tuple[str, str]]:
    """What becomes of the restored cluster, and that nothing becomes of the target."""
    if plan.target_described:
        target = plan.cluster_to_delete
        yield "target", f"{target.arn} ({target.status}): not touched" if target else "does not exist, and is not made"
    else:
        yield "target", "AWS did not describe it; a drill does not touch it"
    yield "restored as", plan.request.target.restored_as("OPERATION").cluster
    yield "measured", "the time until its users can log in (RTO), and the age of its data then (RPO)"
    keeps = plan.request.on_failure.half_restored_target is Leftover.KEEP
    fails = "a drill that fails keeps it" if keeps else "also if the drill fails"
    yield "removed", f"with its instances, when its users and checks are done; {fails}"


def _restored(plan: Plan) -> tuple[tuple[str, RenderableType], ...]:
    """The restored cluster: compared with the live target, or, without one, every setting with its origin."""
    carry_over = plan.carry_over
    if carry_over is None:
        return (("Cluster to restore", _rows(_cluster(plan))),)
    changed = [(change.setting, f"{change.before} → {change.after}") for change in carry_over.changed]
    return (
        ("Kept: the restored cluster gets the live target's", _rows(_kept(carry_over))),
        ("Changed by the request", _rows(changed or [("nothing", "the request changes no setting of the target")])),
        ("Cannot be kept", _sentences(carry_over.cannot_be_kept)),
    )


def _kept(carry_over: CarryOver) -> Iterator[tuple[str, str]]:
    for kept in carry_over.kept:
        yield kept.setting, kept.value
    # In lines of its own, because a table in a pipe is as wide as its widest row.
    for number, names in enumerate(wrap(", ".join(carry_over.unset), 72)):
        yield ("" if number else "not set, and stays so"), names
    yield from _kept_instances(carry_over.kept_instances)


def _kept_instances(instances: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """What all instances have in common once, then each with what is its own."""
    first = next(iter(instances.values()), {})
    shared = {
        name: value
        for name, value in first.items()
        if len(instances) > 1 and all(settings.get(name) == value for settings in instances.values())
    }
    if shared:
        yield f"all {len(instances)} instances", ""
        yield from _indented(shared)
    for identifier, settings in instances.items():
        yield f"instance {identifier}", ""
        yield from _indented({name: value for name, value in settings.items() if name not in shared})


def _indented(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((f"  {name}", value) for name, value in settings.items())


def _sentences(sentences: Iterable[str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for sentence in sentences:
        table.add_row(Text(""), Text("•"), Text(sentence, overflow="fold"))
    return table


def _cluster(plan: Plan) -> Iterator[tuple[str, str, str]]:
    for setting in plan.settings:
        yield setting.name, setting.value, setting.origin
    target = plan.request.target
    without_key = "missing" if "kms-key" in {result.rule for result in plan.failed_checks} else "as in the snapshot"
    yield "kms_key_id", target.kms_key_id or "–", "from the request" if target.kms_key_id else without_key
    if secret := target.master_user_secret_id:
        yield "master password", f"from the secret {secret}", "from the request"
    else:
        yield "master password", "managed by RDS", "default"


def _database(plan: Plan) -> Iterator[tuple[str, str]]:
    request = plan.request
    yield "users", _joined(user.name for user in request.users)
    excepted = f", except {', '.join(request.keep_logins)}" if request.keep_logins else ""
    is_locked = request.other_logins is OtherLogins.LOCK
    yield "other logins", f"locked{excepted}" if is_locked else "unchanged, as in the source"
    masking = f"by {request.masking.file}" if request.masking else "none: the users read production's values"
    yield "masking", masking
    yield from ((f"  {database}", described) for database, described in plan.masking)
    yield "quarantine", _quarantine(request.target)
    yield "SQL files", _joined(f"{sql_file.file} in {sql_file.database}" for sql_file in request.sql_files)
    yield "data checks", str(len(request.checks))


def _quarantine(target: Target) -> str:
    if target.quarantine:
        return f"{', '.join(target.quarantine.vpc_security_group_ids)}: only the worker gets in until the end"
    return "none: production's logins work from when the writer is up until the next poll locks them"


def _copies_to_keep(archive: Archive) -> str:
    if archive.masked:
        shared = f", shared with {', '.join(archive.share_with)}" if archive.share_with else ""
        return f"none; {archive.keep} snapshots of the masked target instead{shared}"
    return (
        f"{archive.keep}, with production's data unmasked" if archive.keep else "none; only the source has the snapshot"
    )


def _afterwards(plan: Plan) -> Iterator[tuple[str, str]]:
    notification = plan.request.notification
    yield "copies to keep", _copies_to_keep(plan.request.archive)
    pruned = ", ".join(UNKNOWN) if plan.pruned is None else _joined(arn.rpartition(":")[2] for arn in plan.pruned)
    yield "copies to delete", pruned
    yield "notified of success", ", ".join(notification.destinations(success=True))
    yield "notified of failure", ", ".join(notification.destinations(success=False))


def _rows(rows: Iterable[Sequence[str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for row in rows:
        # Folded, never cut: the owner reads every character of a name that is deleted.
        table.add_row(Text(""), *(Text(cell, overflow="fold") for cell in row))
    return table


def _checks(plan: Plan) -> Group:
    return Group(*(_line(result) for result in plan.results))


def _line(result: CheckResult) -> Text:
    match result.status:
        case CheckStatus.FAILED:
            return Text(f"✗ {result.rule}: {result.message}", "red")
        case CheckStatus.SKIPPED:
            return Text(f"– {result.rule}: skipped, because {result.message}", "dim")
        case CheckStatus.PASSED:
            return Text(f"✓ {result.rule}", "green")


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts) or "none"


def _age(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min"
