"""A restore in Temporal's Web UI, in a real browser: its page shows the step, the progress and the fault."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from devstack.pipeline import start_worker
from devstack.processes import Scratch
from devstack.stack import Stack
from tests.rigs import warm
from tests.rigs.chromium import chromium, needs_chromium
from tests.rigs.cli import EXAMPLE, WORKER, run_command
from tests.rigs.durations import SLOW_COPY

pytestmark = needs_chromium
WORKFLOW = "aurora-restore:111122223333:eu-central-1:orders-staging"
SHADES = 100
"""A page with text and icons has nearly all 256; a blank one has a handful."""


@pytest.fixture
def stack() -> Iterator[Stack]:
    with Stack(durations=SLOW_COPY) as stack, Scratch("web-ui") as scratch:
        assert run_command(stack, "setup").code == 0
        start_worker(scratch, stack.environment, command=warm.command(WORKER))
        yield stack


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1400, "height": 1500})


def shades(png: bytes) -> int:
    """How many different bytes the filtered lines of a picture have. Source: PNG specification, Chunk layout."""
    data, at = b"", 8
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + length] if name == b"IDAT" else b""
        at += length + 12
    return len(set(zlib.decompress(data)))


def take_picture(page: Page, path: Path) -> int:
    """Take a picture and return how many shades it has."""
    return shades(page.screenshot(path=path))


def test_the_page_of_a_restore_shows_its_step_and_its_fault(stack: Stack, page: Page, tmp_path: Path) -> None:
    """While it copies, the pending activity says so; after the failure, the page has the fault."""
    url = f"{stack.temporal.ui_url}/namespaces/default/workflows/{WORKFLOW}"
    assert run_command(stack, "start", EXAMPLE, "--no-wait").code == 0
    page.goto(url)
    expect(page.get_by_text(re.compile(r"poll \d+: copying")).first).to_be_visible(timeout=30_000)
    assert take_picture(page, tmp_path / "running.png") > SHADES

    stack.emulator.faults.add(
        "rds",
        "RestoreDBClusterFromSnapshot",
        "error",
        code="InvalidSubnet",
        message="The requested subnet is invalid.",
        count=None,
    )
    clock = stack.emulator.clock
    clock.set(clock.now() + timedelta(minutes=5))
    page.goto(url)
    expect(page.get_by_text("Invalid VPC configuration").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text(re.compile("^Failed$", re.IGNORECASE)).first).to_be_visible(timeout=30_000)
    assert take_picture(page, tmp_path / "failed.png") > SHADES
