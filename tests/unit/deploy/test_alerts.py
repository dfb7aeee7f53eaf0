"""deploy/monitoring: each alert is seen firing by promtool and is in the document; the dashboard is what its code makes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from settings import PREFIX
from tests.rigs.dashboard import FILE, dashboard_json, graphs
from tests.rigs.documents import ROOT, text

RULES = ROOT / "deploy" / "monitoring" / "alerts.yaml"
TESTS = ROOT / "tests" / "unit" / "deploy" / "alerts_test.yaml"
OURS = re.compile(r"aurora_restore_[a-z_]+")


needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus"
)


def alerts() -> list[str]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"]]


@needs_promtool
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


def test_the_dashboard_is_what_its_code_makes() -> None:
    """Each metric of ours has a panel, and no panel asks for one that does not exist."""
    assert FILE.read_text("utf-8") == dashboard_json(), "run: python -m tests.rigs.dashboard"
    asked = {re.sub(r"_(bucket|sum|count)$", "", name) for graph in graphs() for name in OURS.findall(graph.query)}
    listed = set(re.findall(r"^\| `(aurora_restore_\w+)` \|", text("docs", "monitoring.md"), re.MULTILINE))
    assert asked == listed


@needs_promtool
def test_each_query_of_the_dashboard_is_one_for_prometheus(tmp_path: Path) -> None:
    """As rules, which promtool parses."""
    rules = [{"record": f"panel_{number}", "expr": graph.query} for number, graph in enumerate(graphs())]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
