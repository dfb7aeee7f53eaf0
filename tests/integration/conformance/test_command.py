"""`starter.py aws-check`: exit codes, what it refuses before anything is made, and its two forms of output."""

from __future__ import annotations

import io
import json

import pytest
from botocore.exceptions import EndpointConnectionError

import starter
from conformance import write_check
from conformance.life import Life
from conformance.own_resources import OwnResource
from conformance.removal import find_left, remove
from tests.rigs.conformance import Kit, everything_in
from tests.rigs.emulated_aws import ACCOUNT, ENGINE, OTHER_ACCOUNT, SOURCE, TARGET

CHECK = ["aws-check", "--region", TARGET]
READS = ("AssumeRole", "Describe", "GetCallerIdentity", "List")


def changing_calls(kit: Kit) -> list[str]:
    return [call.operation for call in kit.aws.emulator.calls if not call.operation.startswith(READS)]


def test_by_default_it_only_reads(kit: Kit, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 without a difference; the report is one JSON document on stdout, and every call reads."""
    kit.aws.emulator.calls.clear()
    assert starter.main([*CHECK, "-o", "json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert {name: written[name] for name in ("region", "second_region", "write")} == {
        "region": TARGET, "second_region": None, "write": False,
    }  # fmt: skip
    assert {question["verdict"] for question in written["questions"]} == {"same"}
    assert changing_calls(kit) == []


def test_what_it_may_not_read_is_no_difference(kit: Kit, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2; the report says which question could not be asked, without the caller's ARN."""
    message = f"User: arn:aws:iam::{ACCOUNT}:user/jane is not authorized to perform: rds:DescribeGlobalClusters"
    kit.aws.emulator.faults.add(
        "rds", "DescribeGlobalClusters", "error", code="AccessDenied", message=message, status=403
    )
    assert starter.main(CHECK) == 2
    page = capsys.readouterr().out
    assert page.startswith("# aws-check: 0 of ")
    reason = r"User: \<arn-1> is not authorized to perform: rds:DescribeGlobalClusters"
    assert f"## Could not be asked\n\n- global-cluster-not-found: {reason}\n" in page
    assert "jane" not in page


REFUSED = {
    "no account": (["--write", "--yes"], "--account is missing"),
    "another account": (["--write", "--yes", "--account", OTHER_ACCOUNT], f"--account is {OTHER_ACCOUNT}"),
    "another account to clean": (["--clean", "--yes", "--account", OTHER_ACCOUNT], f"--account is {OTHER_ACCOUNT}"),
    "nobody to ask": (["--write", "--account", ACCOUNT], "add --yes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nothing_is_made_unless_it_is_allowed(
    kit: Kit, case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2 before any call that changes something."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    kit.aws.emulator.calls.clear()
    options, text = REFUSED[case]
    assert starter.main([*CHECK, *options]) == 2
    assert text in capsys.readouterr().err
    assert changing_calls(kit) == []
    assert "orders" in everything_in(kit.aws)


def test_it_says_beforehand_what_it_will_make(
    kit: Kit, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account, the resources, the cost in words and the time; an answer other than yes makes nothing."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    kit.aws.emulator.calls.clear()
    assert starter.main([*CHECK, "--write", "--account", ACCOUNT]) == 2
    printed = capsys.readouterr().err
    for part in (ACCOUNT, TARGET, "two Aurora PostgreSQL clusters", "US dollar", "about an hour", "[y/N]"):
        assert part in printed
    assert changing_calls(kit) == []


@pytest.mark.parametrize(
    ("variable", "text"), [("AWS_ENDPOINT_URL", "127.0.0.1:1"), ("AWS_ACCESS_KEY_ID", "credentials")]
)
def test_an_unreachable_aws_is_exit_code_2(
    kit: Kit, variable: str, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No endpoint, no credentials: one sentence, no traceback."""
    if variable == "AWS_ENDPOINT_URL":
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    else:
        monkeypatch.delenv(variable)
    assert starter.main(CHECK) == 2
    assert text in capsys.readouterr().err


def test_without_a_region_it_says_what_to_give(
    kit: Kit, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an option nor AWS's settings name one."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert starter.main(["aws-check"]) == 2
    assert "Give --region" in capsys.readouterr().err


def test_what_is_left_behind_is_named(
    kit: Kit, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, also if every answer is the same, and the option that removes it."""
    life = kit.life()
    kit.own.create_cluster(
        life.name("cluster"), Engine=ENGINE, MasterUsername="boss", MasterUserPassword="long-enough", Tags=life.tags
    )
    monkeypatch.setattr(write_check, "run_life", lambda _: [])
    monkeypatch.setattr(write_check, "remove_run", lambda _: find_left([kit.own], lambda _: True))
    assert starter.main([*CHECK, "--write", "--yes", "--account", ACCOUNT]) == 2
    printed = capsys.readouterr().err
    assert f"Left behind: cluster {life.name('cluster')} in {TARGET}" in printed
    assert printed.endswith(
        f"To remove it:\n    python starter.py aws-check --region {TARGET} --clean --account {ACCOUNT}\n"
    )
    assert remove([kit.own], lambda _: True, kit.pace) == []


@pytest.mark.parametrize(
    "error", [EndpointConnectionError(endpoint_url="x"), KeyboardInterrupt()], ids=["AWS", "Ctrl-C"]
)
def test_a_removal_that_ends_early_does_not_lose_the_report(
    kit: Kit, error: BaseException, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took an hour to get: everything that is known is printed, then what is left and how to remove it."""

    def end_early(_: Life) -> list[OwnResource]:
        raise error

    monkeypatch.setattr(write_check, "STEPS", ())
    monkeypatch.setattr(write_check, "remove_run", end_early)
    nowhere = ["--file", "/nonexistent/report.md"]
    second = ["--second-region", SOURCE]
    assert starter.main([*CHECK, *second, "--write", "--yes", "--account", ACCOUNT, *nowhere]) == 2
    printed = capsys.readouterr()
    assert "Cannot write /nonexistent/report.md" in printed.err
    assert printed.out.startswith("# aws-check: ")
    assert "cluster-not-found" in printed.out
    said = printed.err[printed.err.index("The removal ended early: ") :].splitlines()
    assert said[1].startswith("Left behind: what has a name that begins with aws-check-")
    assert said[3].endswith(f"--region {TARGET} --second-region {SOURCE} --clean --account {ACCOUNT}")
