"""Every call of a night is allowed by the policy of the role that makes it, and nothing is allowed that no night needs."""
from __future__ import annotations
import pytest
from errors import DatabaseUnreachable
from tests.iam.nights import PolicedNight
from tests.iam.places import Site

@pytest.mark.parametrize("where", ["apart", "together"])
def test_x(where: str, request: pytest.FixtureRequest, policed) -> None:
    site: Site = request.getfixturevalue(where)
    night = PolicedNight(site)
    night.make_target()
    night.make_snapshot()
    night.open()
    found = night.check()
    copy = night.copy(found)
    night.delete(found, copy)
    endpoint = night.restore(found, copy)
    with pytest.raises(DatabaseUnreachable):
        night.set_up_users(endpoint)
    night.archive(copy)
    night.notify()
    assert not policed.ids.denied and not policed.ids.unknown
    print(policed.ids.allowed)
