"""No identifier of an account leaves it in a report, whatever the names are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.anonymiser import Anonymiser, Json

NAMES = st.from_regex(r"[a-z](-?[a-z0-9]){0,30}", fullmatch=True)
"""Names that RDS accepts, also words of the texts themselves."""
ACCOUNTS = st.from_regex(r"[0-9]{12}", fullmatch=True)
IDENTIFIERS = {
    "arn:aws:rds:eu-west-1:111122223333:cluster:orders": "<arn-1>",
    "arn:aws-us-gov:iam::111122223333:user/jane.doe@example.org": "<arn-1>",
    "111122223333": "<account-1>",
    "orders.cluster-c0123abc.eu-west-1.rds.amazonaws.com": "<endpoint-1>",
    "orders.cluster-c0123abc.rds.cn-north-1.amazonaws.com.cn": "<endpoint-1>",
    "https://rds.eu-west-1.amazonaws.com/": "<url-1>",
    "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ": "<resource-id-1>",
    "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ": "<resource-id-1>",
    "vpc-0123456789abcdef0": "<resource-id-1>",
    "sg-01234567": "<resource-id-1>",
    "0f8fad5b-d9cb-469f-a165-70867728950e": "<uuid-1>",
    "rds!cluster-0f8fad5b-d9cb-469f-a165-70867728950e": "<secret-1>",
    "rds:orders-2026-11-27-03-10": "<snapshot-1>",
    "AKIAIOSFODNN7EXAMPLE": "<access-key-1>",
    "10.11.12.13": "<address-1>",
    "jane.doe@example.org": "<e-mail-1>",
    "aws-check-0123456789ab-cluster": "<own-name-1>",
}


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_an_identifier_gets_a_placeholder(identifier: str) -> None:
    """By its form alone, wherever it is in the text, and the same each time."""
    anonymiser = Anonymiser()
    for text in ("{}", "User: {} may not.", "'{}'", "({}),", "[{}]", 'of "{}"'):
        assert anonymiser.clean(text.format(identifier)) == text.format(IDENTIFIERS[identifier])


def test_two_identifiers_get_two_placeholders() -> None:
    """Numbered by kind in the order of their appearance, keys of an answer included."""
    anonymiser = Anonymiser()
    answer: Json = {"111122223333": ["444455556666", 7, None, True], "status": "of 111122223333"}
    assert anonymiser.clean_all(answer) == {
        "<account-1>": ["<account-2>", 7, None, True],
        "status": "of <account-1>",
    }


@settings(max_examples=60, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=5, unique=True), account=ACCOUNTS)
def test_no_name_and_no_account_is_left(names: list[str], account: str) -> None:
    """Also names that are parts of each other, words of the text, or words of a placeholder."""
    anonymiser = Anonymiser()
    for name in names:
        anonymiser.add_name(name)
    text = " ".join(f"DBCluster {name.upper()} not found, '{name}' of {account};" for name in names)
    cleaned = anonymiser.clean(text)
    without_placeholders = re.sub(r"<[a-z-]+(-[0-9]+)?>", "", cleaned)
    words = re.findall(r"[\w-]+", without_placeholders.lower())
    assert not set(words) & {*names, account}
    assert cleaned == anonymiser.clean(text)


def test_a_name_with_signs_of_a_pattern_is_a_text() -> None:
    """Group names may have dots; a dot is only a dot, and the longest name counts."""
    anonymiser = Anonymiser()
    for name in ("default", "default.orders"):
        anonymiser.add_name(name)
    assert anonymiser.clean("default.orders and defaultXorders, default") == "<name-2> and defaultXorders, <name-1>"


def test_names_of_the_check_have_placeholders_of_their_own() -> None:
    """A claim names `<cluster>`, whatever the run's number is; of two names the longer one counts."""
    anonymiser = Anonymiser()
    anonymiser.add_name("aws-check-0123456789ab-cluster", "cluster")
    anonymiser.add_name("aws-check-0123456789ab-cluster-two", "other")
    text = "Renamed aws-check-0123456789ab-cluster to AWS-CHECK-0123456789AB-CLUSTER-TWO"
    assert anonymiser.clean(text) == "Renamed <cluster> to <other>"
