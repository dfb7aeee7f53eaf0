"""The emulator answers as aws-check claims of it, and aws-check leaves nothing in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from conformance.questions import Outcome, Verdict
from conformance.report import Report
from tests.integration.conformance.conftest import kit_on_an_emulator
from tests.rigs.conformance import CertificateHost, everything_in, with_verdict
from tests.rigs.emulated_aws import ACCOUNT

OWNERS = {"orders", "orders-1"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Outcome], set[str]]]:
    """The outcomes of one whole run, and what is in the account after it."""
    with closing(CertificateHost(tmp_path_factory.mktemp("certificates"))) as host, kit_on_an_emulator(host) as kit:
        outcomes = kit.run()
        yield outcomes, everything_in(kit.aws)


def test_the_emulator_answers_as_claimed(ran: tuple[list[Outcome], set[str]]) -> None:
    """No difference, and every question is asked."""
    outcomes, _ = ran
    assert with_verdict(outcomes, Verdict.DIFFERENT) == {}
    assert with_verdict(outcomes, Verdict.FAILED) == {}
    assert with_verdict(outcomes, Verdict.NOTHING_TO_ASK) == {}


def test_a_run_leaves_nothing_of_its_own(ran: tuple[list[Outcome], set[str]]) -> None:
    """In both regions, and the owner's resources are still there."""
    _, left = ran
    assert {name for name in left if not name.startswith("rds:orders-")} == OWNERS


def test_the_report_names_nobody(ran: tuple[list[Outcome], set[str]]) -> None:
    """No account number, no name of the owner's, no ARN, no endpoint, no name of the run."""
    outcomes, _ = ran
    report = Report(outcomes, "us-east-1", "us-west-2", writes=True, day="2026-11-27")
    for text in (report.as_markdown(), str(report.as_json())):
        assert not [part for part in (ACCOUNT, "orders", "arn:aws", "rds.localhost", "aws-check-") if part in text]
