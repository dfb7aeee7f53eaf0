"""deploy/monitoring: each alert is seen firing by promtool and is in the document; the dashboard is what its code makes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from settings import PREFIX
from tests.rigs.dashboard import FILE, dashboard_json, graphs
from tests.rigs.documents import ROOT, text
from tests.rigs.prometheus import needs

RULES = ROOT / "deploy" / "monitoring" / "alerts.yaml"
TESTS = ROOT / "tests" / "unit" / "deploy" / "alerts_test.yaml"
OURS = re.compile(r"aurora_restore_[a-z_]+")


def alerts() -> list[str]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"]]


@needs("promtool")
def test_each_alert_fires_in_its_unit_test() -> None:
    """And is silent before; Debian's package prometheus has promtool."""
    done = subprocess.run(["promtool", "test", "rules", TESTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_unit_test_in_which_it_fires_and_a_healthy_one() -> None:
    """One with labels that are expected; in the healthy one there is nothing but series of restores that succeed."""
    *others, healthy = yaml.safe_load(TESTS.read_text("utf-8"))["tests"]
    firing = {test["alertname"] for each in others for test in each["alert_rule_test"] if test["exp_alerts"]}
    silent = {test["alertname"] for test in healthy["alert_rule_test"] if not test["exp_alerts"]}
    assert firing == silent == set(alerts())


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


@needs("promtool")
def test_a_panel_counts_the_first_restore_of_a_worker(tmp_path: Path) -> None:
    """Its counter appears as one, and increase() does not see that; a later one is counted as before."""
    [query] = [graph.query for graph in graphs() if graph.title == "Operations by outcome, a day"]
    labels = 'account="1", region="r", outcome="succeeded"'
    series = [
        {"series": f'aurora_restore_operations_total{{target="orders", {labels}}}', "values": "_x300 1x300"},
        {"series": f'aurora_restore_operations_total{{target="users", {labels}}}', "values": "5x400 6x200"},
    ]
    for at, count in (("33h", 1), ("40h", 2)):
        sample = {"labels": '{outcome="succeeded"}', "value": count}
        test = {"interval": "5m", "input_series": series,
                "promql_expr_test": [{"expr": f"round({query})", "eval_time": at, "exp_samples": [sample]}]}  # fmt: skip
        path = tmp_path / f"{at}.yaml"
        path.write_text(yaml.safe_dump({"evaluation_interval": "5m", "tests": [test]}))
        done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
