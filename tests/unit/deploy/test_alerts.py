"""deploy/monitoring/alerts.yaml: each alert is seen firing by promtool, and is in the document."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml

from settings import PREFIX
from tests.rigs.documents import ROOT, text

RULES = ROOT / "deploy" / "monitoring" / "alerts.yaml"
TESTS = ROOT / "tests" / "unit" / "deploy" / "alerts_test.yaml"
OURS = re.compile(r"aurora_restore_[a-z_]+")


def alerts() -> list[str]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"]]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus")
def test_each_alert_fires_in_its_unit_test() -> None:
    """And is silent before; Debian's package prometheus has promtool."""
    done = subprocess.run(["promtool", "test", "rules", TESTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_unit_test_in_which_it_fires() -> None:
    """One with labels that are expected."""
    tests = yaml.safe_load(TESTS.read_text("utf-8"))["tests"]
    firing = {test["alertname"] for each in tests for test in each["alert_rule_test"] if test["exp_alerts"]}
    assert firing == set(alerts())


def test_the_document_has_every_alert_and_every_metric() -> None:
    """With the names under which Prometheus has the metrics."""
    page = text("docs", "monitoring.md")
    assert re.findall(r"^\| `(AuroraRestore\w+)` \|", page, re.MULTILINE) == alerts()
    listed = set(re.findall(r"^\| `(aurora_restore_\w+)` \|", page, re.MULTILINE))
    assert listed >= set(OURS.findall(RULES.read_text("utf-8")))
    stems = {re.sub(r"_(total|seconds)$", "", name) for name in listed}
    written = set(OURS.findall(text("metrics.py")))
    assert stems == {re.sub(r"_seconds$", "", name) for name in written}
    assert f"{PREFIX}METRICS_ADDRESS" in page
