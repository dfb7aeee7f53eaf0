"""The JSON Schema of restores.toml, for editors that complete and check it while it is written."""

from __future__ import annotations

import json
from typing import Any

from models.fleet import FleetEntry, FleetFile

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The draft that both Taplo and VS Code read."""
ENTRY = "FleetEntry"


def fleet_schema() -> dict[str, Any]:
    """The schema of one file. No field is required, since what an entry leaves out may be in the defaults."""
    entry, schema = FleetEntry.model_json_schema(), FleetFile.model_json_schema()
    definitions = {**entry.pop("$defs"), **schema.pop("$defs"), ENTRY: entry}
    fields, reference = schema["properties"], {"$ref": f"#/definitions/{ENTRY}"}
    fields["defaults"] = {**reference, "description": fields["defaults"]["description"]}
    fields["restores"] = {
        "type": "object",
        "description": fields["restores"]["description"],
        "maxProperties": fields["restores"]["maxProperties"],
        "additionalProperties": reference,
    }
    whole = {
        "$schema": DRAFT,
        "title": "restores.toml of the Aurora Restore Pipeline",
        **{name: value for name, value in schema.items() if name != "title"},
        "definitions": {name: _without_required(each) for name, each in sorted(definitions.items())},
    }
    moved: dict[str, Any] = json.loads(json.dumps(whole).replace("#/$defs/", "#/definitions/"))
    return moved


def _without_required(definition: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in definition.items() if name != "required"}


def fleet_schema_text() -> str:
    """The schema as `starter.py schema` prints it."""
    return json.dumps(fleet_schema(), indent=2, ensure_ascii=False) + "\n"
