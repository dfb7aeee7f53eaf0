"""Reads restores.toml, or a folder of such files, and reports each mistake with its file, its entry and its field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from limits import MAX_ERROR_TEXT, MAX_LISTED_ERRORS, MAX_PATH, first_and_more, shorten
from models.fleet import MAX_FILES, MAX_RESTORES, FleetEntry, FleetFile, FleetSummary
from models.request_file import UnreadableRequest, as_json_value, read_toml
from models.request_json import find_refusal
from models.validation_errors import describe_each

DEFAULT_NAME = "restores"
MAX_FILE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class DeclaredRestore:
    """One entry of a fleet, and where it is written."""

    name: str
    file: Path
    entry: FleetEntry


@dataclass(frozen=True)
class Fleet:
    """Every target that a restores.toml or a folder declares, in the order in which it is written."""

    name: str
    restores: tuple[DeclaredRestore, ...]
    summary: FleetSummary | None = None


def read_fleet(path: Path) -> Fleet:
    """Read a restores.toml, or every .toml file of a folder as one.

    Raises `UnreadableRequest`, which lists every mistake but no value: that could be a secret in the wrong field.
    """
    errors: list[str] = []
    files = {file: parsed for file in _files(path) if (parsed := _read_file(file, errors)) is not None}
    if not errors:
        errors += _find_doubles(files)
    _require_none(path, errors)
    defaults_file, defaults = next(((file, each.defaults) for file, each in files.items() if each.defaults), (path, {}))
    restores = []
    for file, parsed in files.items():
        for name, given in parsed.restores.items():
            entry, found = _parse_entry(given, defaults, f"{file}: restores.{name}", f"{defaults_file}: defaults")
            errors += found
            if entry is not None:
                restores.append(DeclaredRestore(name, file, entry))
    errors += _find_shared(restores)
    _require_none(path, errors)
    if not restores:
        raise UnreadableRequest(f"{path}: restores: has no entry; expected at least one [restores.NAME]")
    return Fleet(
        name=next((each.name for each in files.values() if each.name), DEFAULT_NAME),
        restores=tuple(restores),
        summary=next((each.summary for each in files.values() if each.summary), None),
    )


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.toml"))
    if not 1 <= len(files) <= MAX_FILES:
        raise UnreadableRequest(f"{path}: has {len(files)} files that end in .toml; expected 1 to {MAX_FILES}")
    return files


def _read_file(file: Path, errors: list[str]) -> FleetFile | None:
    """The file's tables; None if it has mistakes, which are added to `errors`."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            errors.append(f"{file}: has more than {MAX_FILE_BYTES:,} bytes")
            return None
        return FleetFile.model_validate_json(json.dumps(as_json_value(read_toml(file))))
    except OSError as error:
        errors.append(f"{file}: cannot be read: {error.strerror}")
    except UnreadableRequest as error:
        errors.append(str(error))
    except ValidationError as error:
        errors += [_line(f"{file}: ", path, text) for path, text in describe_each(error, FleetFile)]
    return None


def _line(place: str, path: tuple[str, ...], text: str) -> str:
    return f"{place}{shorten('.'.join(path), MAX_PATH)}: {shorten(text, MAX_ERROR_TEXT)}"


def _require_none(path: Path, errors: list[str]) -> None:
    """Raises `UnreadableRequest` with the first of the errors, each once."""
    lines = list(dict.fromkeys(errors))
    if lines:
        text = "\n".join(first_and_more(lines, MAX_LISTED_ERRORS))
        raise UnreadableRequest(f"{path} does not declare restores:\n{text}")


def _find_doubles(files: Mapping[Path, FleetFile]) -> Iterator[str]:
    """What only one file of a folder may have."""
    for what in ("name", "defaults", "summary"):
        having = [str(file) for file, parsed in files.items() if getattr(parsed, what)]
        if len(having) > 1:
            yield f"{having[1]}: {what}: is also in {having[0]}; expected it in one file of the folder"
    seen: dict[str, Path] = {}
    for file, parsed in files.items():
        for name in parsed.restores:
            if (first := seen.setdefault(name, file)) != file:
                yield f"{file}: restores.{name}: is also in {first}; give one of them another name"
    if len(seen) > MAX_RESTORES:
        yield f"{next(iter(files)).parent}: restores: has {len(seen)} entries; expected at most {MAX_RESTORES}"


def _parse_entry(
    given: dict[str, Any], defaults: dict[str, Any], place: str, place_of_defaults: str
) -> tuple[FleetEntry | None, list[str]]:
    """The entry with the defaults beneath it, or its mistakes; one that the defaults brought is theirs."""
    text = json.dumps(_merge(defaults, given))
    if refusal := find_refusal(text):
        return None, [f"{place}.{refusal.removeprefix('request: ')}"]
    try:
        return FleetEntry.model_validate_json(text), []
    except ValidationError as error:
        lines = []
        for path, message in describe_each(error, FleetEntry):
            of_defaults = _has(defaults, path) and not _has(given, path)
            lines.append(_line(f"{place_of_defaults if of_defaults else place}.", path, message))
        return None, lines


def _merge(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """`given` above `defaults`: tables are merged, everything else is replaced."""
    merged = dict(defaults)
    for name, value in given.items():
        below = merged.get(name)
        merged[name] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _has(tables: Any, path: tuple[str, ...]) -> bool:
    """Whether something is written at this path."""
    for part in path:
        if isinstance(tables, dict) and part in tables:
            tables = tables[part]
        elif isinstance(tables, list) and part.isdigit() and int(part) < len(tables):
            tables = tables[int(part)]
        else:
            return False
    return True


def _find_shared(restores: list[DeclaredRestore]) -> Iterator[str]:
    """A target, or the id of a schedule, that two entries have, and where a drill differs from its target's restore."""
    targets: dict[tuple[str, bool], DeclaredRestore] = {}
    schedules: dict[str, DeclaredRestore] = {}
    for restore in restores:
        entry, place = restore.entry, f"{restore.file}: restores.{restore.name}"
        # Beside its restore, a target may have a drill.
        first = targets.setdefault((entry.target.arn, entry.target.drills), restore)
        if first is not restore:
            yield f"{place}.target: {entry.target.arn} is also the target of {first.file}: restores.{first.name}"
            continue
        if beside := targets.get((entry.target.arn, not entry.target.drills)):
            yield from (f"{place}.{text}" for text in _find_differences(entry, beside))
        first = schedules.setdefault(entry.schedule_id, restore)
        if first is not restore:
            yield (
                f"{place}.schedule.id: {entry.schedule_id} is also the schedule of {first.file}: restores.{first.name}; "
                "set another one, because two clusters have the same name, or one has the other's name with -drill"
            )


def _find_differences(entry: FleetEntry, beside: DeclaredRestore) -> Iterator[str]:
    """Where a restore and a drill of one target disturb each other: they prune the same copies, and run one at a time."""
    kept, kept_beside = entry.archive.copies_to_keep, beside.entry.archive.copies_to_keep
    if kept != kept_beside:
        yield (
            f"archive: keeps {kept} copies of the target's snapshots, {beside.file}: restores.{beside.name} keeps "
            f"{kept_beside}; a drill and a restore prune the same copies: expected the same number, 0 if one has masked"
        )
    schedule = entry.schedule
    if (schedule.time, schedule.zone) == (beside.entry.schedule.time, beside.entry.schedule.zone):
        yield (
            f"schedule.at: {schedule.at} {schedule.zone} is also the time of {beside.file}: restores.{beside.name}; if a "
            "drill and a restore start together, one is skipped: expected times so far apart that the first has ended"
        )
