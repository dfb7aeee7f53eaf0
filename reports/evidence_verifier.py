"""Checks the items in an evidence.json against their seals: `python verify.py evidence.json [--seal DIGEST]`.

It needs Python 3.8 or newer and nothing else: neither the project that wrote the file, nor AWS, nor a network.

A seal is an item that lists the SHA-256 of each item that it covers, earlier seals included; its own digest is the SHA-256
of itself without its digest. The SHA-256 of an item is over DynamoDB's typed JSON with sorted keys, without spaces.

Exit codes: 0 if each item is sealed and unchanged, 1 if one is changed, missing or not sealed, 2 if the file cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import zlib
from typing import Any, Dict, List, NamedTuple, Tuple

FINE, CHANGED, UNREADABLE = 0, 1, 2
MAX_COVERED_BYTES = 64 * 1024 * 1024
"""Of the decompressed list of one seal; a seal of 4,000 rows has one of a megabyte."""
LIMITS = """\
The seals cover `items`; the other parts of the file, and evidence.html, are a reading of them.
A person who can write to the trail's tables could compute every seal again. Compare the digests above with a copy from
elsewhere: "Seal of the audit trail" in the operation's notification is one of them. To check one:
python verify.py evidence.json --seal DIGEST
The head of the chain is the last seal of the target when the file was written: of this operation, or of a later one, whose
seals hold the digest of these. The operations table has the head of today, the item "seal#" and the target's ARN."""

Item = Dict[str, Any]
"""An item in DynamoDB's typed JSON, such as {"details": {"S": "…"}}."""


class Finding(NamedTuple):
    """What is wrong with one item."""

    kind: str
    """`changed`, `missing`, `not sealed` or `unexpected`."""
    event_key: str
    """The item's sort key in the trail."""
    text: str


class Seal(NamedTuple):
    """A seal whose digest is right."""

    event_key: str
    number: int
    digest: str
    covered: Dict[str, str]
    """The digest of each item by its key."""
    previous: Item


class Result(NamedTuple):
    """What the check found."""

    findings: List[Finding]
    seals: List[Seal]
    """In the order of their numbers."""


def canonical_form(item: Item) -> bytes:
    """The bytes over which an item's digest is computed."""
    return json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest_of(item: Item) -> str:
    """The SHA-256 of an item's canonical form, in hexadecimal."""
    return hashlib.sha256(canonical_form(item)).hexdigest()


def check_head(operation_id: str, head: Any, seals: List[Seal]) -> List[Finding]:
    """Compare the head of the target's chain, as the evidence has it, with the last seal of the operation."""
    if head is None or not seals:
        return []
    last, key = seals[-1], str(head.get("event_key", ""))
    if head.get("operation_id") == operation_id:
        if (head.get("number"), head.get("digest")) != (last.number, last.digest):
            return [
                Finding("missing", key, "the head of the chain is a seal of this operation, and not the last one here")
            ]
    elif not isinstance(head.get("number"), int) or head["number"] <= last.number:
        return [Finding("unexpected", key, "the head of the chain is older than the last seal of this operation")]
    return []


def check_items(operation_id: str, items: List[Item], head: Any = None) -> Result:
    """Compare the items of an operation with the seals among them, and the last seal with the head of the chain."""
    findings: List[Finding] = []
    by_key: Dict[str, Item] = {}
    for item in items:
        key = text_of(item, "event_key")
        if key in by_key:
            findings.append(Finding("unexpected", key, "two items have this key"))
        if text_of(item, "operation_id") != operation_id:
            findings.append(Finding("unexpected", key, "an item of another operation"))
        by_key[key] = item
    seals = _read_seals(by_key, findings)
    for seal in seals:
        _check_seal(seal, operation_id, by_key, findings)
    covered = {key for seal in seals for key in seal.covered}
    findings += check_head(operation_id, head, seals)
    last = seals[-1].event_key if seals else None
    reported = {finding.event_key for finding in findings}
    findings += [
        Finding("not sealed", key, "no seal covers it")
        for key in by_key
        if key not in covered and key != last and key not in reported
    ]
    return Result(sorted(set(findings), key=lambda finding: finding.event_key), seals)


def text_of(item: Item, name: str) -> str:
    """A text of an item; empty if it has none."""
    value = item.get(name)
    text = value.get("S", "") if isinstance(value, dict) else ""
    return text if isinstance(text, str) else ""


def is_seal(item: Item) -> bool:
    """Whether an item is a seal."""
    return text_of(item, "phase") == "seal"


def _read_seals(by_key: Dict[str, Item], findings: List[Finding]) -> List[Seal]:
    seals = []
    for key, item in by_key.items():
        if not is_seal(item):
            continue
        actual = digest_of({name: value for name, value in item.items() if name != "digest"})
        if item.get("digest") != {"S": actual}:
            findings.append(Finding("changed", key, "the seal does not match its own digest"))
            continue
        try:
            seals.append(_to_seal(key, item, actual))
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error):
            findings.append(Finding("changed", key, "the seal has no list of rows that can be read"))
    return sorted(seals, key=lambda seal: (seal.number, seal.event_key))


def _to_seal(key: str, item: Item, digest: str) -> Seal:
    packed = base64.b64decode(item["covered_rows"]["B"], validate=True)
    unpacker = zlib.decompressobj()
    rows = json.loads(unpacker.decompress(packed, MAX_COVERED_BYTES))
    covered = {str(row[0]): str(row[1]) for row in rows}
    previous = item.get("previous_seal", {}).get("M", {})
    if not isinstance(previous, dict):
        raise TypeError("expected a map")
    return Seal(key, int(item["number"]["N"]), digest, covered, previous)


def _check_seal(seal: Seal, operation_id: str, by_key: Dict[str, Item], findings: List[Finding]) -> None:
    for key, digest in seal.covered.items():
        item = by_key.get(key)
        _compare(key, item and digest_of(item), digest, findings)
    if text_of(seal.previous, "operation_id") == operation_id:
        key = text_of(seal.previous, "event_key")
        item = by_key.get(key)
        _compare(key, item and text_of(item, "digest"), text_of(seal.previous, "digest"), findings)


def _compare(key: str, actual: Any, expected: str, findings: List[Finding]) -> None:
    if actual is None:
        findings.append(Finding("missing", key, "a seal covers it, and it is not among the items"))
    elif actual != expected:
        findings.append(Finding("changed", key, "it differs from what was sealed"))


def read_evidence(text: str) -> Tuple[str, List[Item], Any]:
    """The operation, the items and the head of the chain of an evidence.json; None if it names no head.

    Raises `ValueError` if the text is something else, or has a name twice: another program could read another value.
    """
    evidence = json.loads(text, object_pairs_hook=_without_repeated_names)
    if not isinstance(evidence, dict):
        raise ValueError("expected an object")  # noqa: TRY004 - the text is wrong, not an argument
    operation_id, items = evidence.get("operation_id"), evidence.get("items")
    if not isinstance(operation_id, str) or not isinstance(items, list):
        raise ValueError("expected the names operation_id and items")  # noqa: TRY004 - as above
    if not all(isinstance(item, dict) for item in items):
        raise ValueError("expected items that are objects")
    head = evidence.get("chain_head")
    if not isinstance(head, (dict, type(None))):
        raise ValueError("expected a chain_head that is an object")  # noqa: TRY004 - as above
    return operation_id, items, head


def _without_repeated_names(pairs: List[Tuple[str, Any]]) -> Item:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return names


def shown(text: str) -> str:
    """A text in ASCII, because one from the file could control the terminal."""
    return json.dumps(text)[1:-1].replace("\x7f", "\\u007f")


def report_lines(operation_id: str, items: List[Item], result: Result, head: Any = None) -> List[str]:
    """The result, line by line: the items, the seals, what is wrong."""
    wrong = {finding.event_key for finding in result.findings}
    lines = [f"{shown(operation_id)}: {len(items)} items, {len(result.seals)} seals."]
    for item in items:
        key = text_of(item, "event_key")
        if not is_seal(item) and key not in wrong:
            lines.append(f"sealed      {shown(key)} {shown(text_of(item, 'status'))} {shown(text_of(item, 'details'))}")
    lines += [f"{each.kind:<11} {shown(each.event_key)}: {each.text}" for each in result.findings]
    for seal in result.seals:
        which = "the last seal" if seal is result.seals[-1] else "a seal"
        lines.append(f"{which}, number {seal.number} of the target, over {len(seal.covered)} items: {seal.digest}")
    if head is not None:
        which = f"number {shown(str(head.get('number')))}, of {shown(str(head.get('operation_id')))}"
        lines.append(f"the head of the chain, {which}: {shown(str(head.get('digest')))}")
    if result.findings or not result.seals:
        lines.append(f"NOT PROVEN: {len(result.findings)} findings, {len(result.seals)} seals.")
    else:
        lines.append("Every item is sealed and unchanged.")
    return [*lines, LIMITS]


def main(arguments: List[str]) -> int:
    """Check a file and print the result."""
    parser = argparse.ArgumentParser(description="Check the items in an evidence.json against their seals.")
    parser.add_argument("file", help="the evidence.json")
    parser.add_argument("--seal", metavar="DIGEST", help="a digest that one of the seals must have")
    options = parser.parse_args(arguments)
    try:
        with open(options.file, encoding="utf-8") as file:  # noqa: PTH123 - one call
            operation_id, items, head = read_evidence(file.read())
    except (OSError, ValueError, RecursionError) as error:
        print(f"{options.file} is no evidence that can be checked: {error}", file=sys.stderr)
        return UNREADABLE
    result = check_items(operation_id, items, head)
    print("\n".join(report_lines(operation_id, items, result, head)))
    if options.seal is not None and options.seal not in [seal.digest for seal in result.seals]:
        print(f"NOT FOUND: no seal has the digest {shown(options.seal)}.")
        return CHANGED
    return FINE if result.seals and not result.findings else CHANGED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
