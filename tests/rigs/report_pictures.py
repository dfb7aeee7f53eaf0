"""Pictures of the report and of the evidence for the docs: light, dark, and on a telephone.

    python -m tests.rigs.report_pictures

It needs Chromium (apt-get install chromium), and writes into docs/images.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from audit.rows import to_item
from reports.evidence import Evidence, collect_evidence, to_document
from reports.evidence_page import make_evidence_page
from reports.measures import Objectives
from reports.page import write_page
from reports.rendering import render
from tests.rigs.chromium import Scheme, chromium, open_page
from tests.rigs.documents import IMAGES
from tests.rigs.report_trail import monthly_report, monthly_rows

WIDE, NARROW = 1280, 390


@cache
def report_page() -> str:
    """The report of the month of five targets."""
    return write_page(monthly_report())


def evidence() -> Evidence:
    """That of an operation which was retried: it has a decision, failed attempts and gaps."""
    opened, rows = next(
        (opened, rows) for opened, rows in monthly_rows() if any(row.phase == "decision" for row in rows)
    )
    items = [to_item(row) for row in rows]
    objectives = Objectives(timedelta(hours=2), timedelta(hours=26))
    collected = collect_evidence(
        opened, items, objectives, monthly_report().now, "aurora-restore-audit in eu-central-1"
    )
    if collected is None:
        raise RuntimeError("the month has no such operation")
    return collected


@cache
def evidence_page() -> str:
    """The page of `evidence`."""
    collected = evidence()
    return render("evidence.html", make_evidence_page(collected, to_document(collected)))


def main() -> None:
    """Write every picture."""
    pictures: tuple[tuple[str, str, int, Scheme], ...] = (
        ("report-light", report_page(), WIDE, "light"),
        ("report-dark", report_page(), WIDE, "dark"),
        ("report-phone", report_page(), NARROW, "light"),
        ("evidence-light", evidence_page(), WIDE, "light"),
    )
    with chromium() as browser:
        for name, html, width, scheme in pictures:
            page = open_page(browser, html, width, scheme)
            page.screenshot(path=IMAGES / f"{name}.png")
            page.close()


if __name__ == "__main__":
    main()
