"""Which passwords RDS accepts for the master user. Source: RDS API Reference, ModifyDBCluster, MasterUserPassword."""

from __future__ import annotations

import pytest

from activities.databases.passwords import is_master_password


@pytest.mark.parametrize("password", ["x" * 8, "x" * 41, "!#$%&'()*+,-.0123456789:;<=>?ABC"])
def test_it_is_accepted(password: str) -> None:
    """8 to 41 printable ASCII characters."""
    assert is_master_password(password)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "x" * 7,
        "x" * 42,
        "with/slash",
        'with"quote',
        "with@sign",
        "with space",
        "ümlaut12",
        "new\nline",
        "delete\x7f",
    ],
)
def test_it_is_refused(password: str) -> None:
    """Too short, too long, or with a character that RDS does not take."""
    assert not is_master_password(password)
