"""The Helm chart renders what Kubernetes' schemas accept, agrees with the settings, and refuses a mistyped value."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from settings import PREFIX, Settings
from tests.rigs.helm import MISSING, find_helm
from version import VERSION

CHART = Path(__file__).resolve().parents[3] / "deploy" / "helm" / "aurora-restore"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
KUBERNETES = ("1.29.0", "1.37.0")
SMALLEST: dict[str, Any] = {
    "image": {"repository": "registry.example.com/aurora-restore"},
    "auditRegion": "eu-central-1",
    "temporal": {"address": "temporal.example.com:7233"},
}
EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example.com/aurora-restore", "tag": "0.1.0-1", "pullSecrets": [{"name": "pull"}]},
    "auditRegion": "eu-central-1",
    "replicas": 2,
    "temporal": {
        "address": "restores.a1b2c.tmprl.cloud:7233",
        "namespace": "restores.a1b2c",
        "configSecret": "temporal",
        "clientCertificateSecret": "temporal-tls",
        "caConfigMap": "temporal-ca",
    },
    "settings": {"WEB_UI_URL": "https://cloud.temporal.io", "ACTIVITY_THREADS": 20},
    "files": {"masking.toml": "version = 1\n", "mask.sql": "SELECT 1;\n"},
    "serviceAccount": {
        "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/aurora-restore-worker"}
    },
    "metrics": {"podMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "networkPolicy": {"metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
    "podAnnotations": {"example.com/team": "databases"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "databases", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
}
VALUES = {"the smallest": SMALLEST, "everything": EVERYTHING}
MOUNTED: dict[str, dict[str, Any]] = {
    "everything": EVERYTHING,
    "files alone": SMALLEST | {"files": EVERYTHING["files"]},
    **{
        f"{name} alone": SMALLEST | {"temporal": SMALLEST["temporal"] | {name: "temporal"}}
        for name in ("configSecret", "clientCertificateSecret", "caConfigMap")
    },
}
"""What the pod mounts, all of it and each by itself."""


def run_helm(verb: str, values: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run helm on the chart with these values; the test is skipped without helm."""
    helm = find_helm()
    if helm is None:
        pytest.skip(MISSING)
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    arguments = ["template", "nightly", str(CHART)] if verb == "template" else ["lint", "--strict", str(CHART)]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [helm, *arguments, "--values", file], env=environment, capture_output=True, text=True, check=False
    )


def render(values: dict[str, Any], folder: Path) -> dict[str, dict[str, Any]]:
    """The documents by kind and name."""
    rendered = run_helm("template", values, folder)
    assert rendered.returncode == 0, rendered.stderr
    documents = [each for each in yaml.safe_load_all(rendered.stdout) if each]
    return {f"{each['kind']} {each['metadata']['name']}": each for each in documents}


@pytest.mark.parametrize("name", VALUES)
def test_helm_lint_reports_nothing(name: str, tmp_path: Path) -> None:
    """Neither an error nor a warning."""
    linted = run_helm("lint", VALUES[name], tmp_path)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("name", VALUES)
def test_kubernetes_accepts_what_the_chart_renders(name: str, tmp_path: Path) -> None:
    """By the schemas of an old and of the newest version, without a field that they do not know."""
    documents = render(VALUES[name], tmp_path)
    for document in documents.values():
        for version in KUBERNETES:
            if document["kind"] != "PodMonitor":  # not one of Kubernetes' own
                kubernetes_validate.validate(document, version, strict=True)
    expected = {"NetworkPolicy", "ServiceAccount", "ConfigMap", "Deployment"}
    further = {"PodDisruptionBudget", "PodMonitor"} if name == "everything" else set()
    assert {each.split()[0] for each in documents} == expected | further


def test_the_variables_are_those_that_the_programs_read(tmp_path: Path) -> None:
    """Every one with the pipeline's prefix is a setting, and none of them is in two places."""
    variables = render(EVERYTHING, tmp_path)["ConfigMap nightly"]["data"]
    own = {name.removeprefix(PREFIX).lower() for name in variables if name.startswith(PREFIX)}
    assert own <= set(Settings.model_fields)
    by_name = {name.lower() for name in SCHEMA["properties"]["settings"]["propertyNames"]["enum"]}
    assert by_name == set(Settings.model_fields) - (own - {"web_ui_url", "activity_threads"})


def test_the_pod_is_confined(tmp_path: Path) -> None:
    """No root, a read-only root file system, no capabilities, no token of Kubernetes, no secret in a variable."""
    pod = render(EVERYTHING, tmp_path)["Deployment nightly"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"], "env" in container) == (False, False, False)


@pytest.mark.parametrize("name", MOUNTED)
def test_every_file_that_a_variable_names_is_mounted(name: str, tmp_path: Path) -> None:
    """The configuration, the certificates and the operator's files, each from a volume of the pod."""
    documents = render(MOUNTED[name], tmp_path)
    pod = documents["Deployment nightly"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    files = [value for value in documents["ConfigMap nightly"]["data"].values() if value.startswith("/")]
    assert {file if file in mounted else str(Path(file).parent) for file in files} == mounted


def test_the_pod_is_killed_only_after_the_workers_shutdown(tmp_path: Path) -> None:
    """And each probe asks the worker itself."""
    pod = render(SMALLEST, tmp_path)["Deployment nightly"]["spec"]["template"]["spec"]
    graceful = DEFAULTS["gracefulShutdownSeconds"]
    assert graceful == Settings.model_fields["graceful_shutdown_seconds"].default
    assert pod["terminationGracePeriodSeconds"] > graceful
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert pod["containers"][0][probe]["exec"]["command"] == ["python", "worker.py", "check"]


@pytest.mark.parametrize(
    "changed",
    [
        {"replica": 2},
        {"temporal": {"address": "https://temporal.example.com"}},
        {"settings": {"AURORA_RESTORE_LOG_LEVEL": "debug"}},
        {"settings": {"LOG_LEVLE": "debug"}},
        {"image": {"repository": ""}},
        {"auditRegion": "Frankfurt"},
    ],
    ids=str,
)
def test_a_mistyped_value_is_refused(changed: dict[str, Any]) -> None:
    """By the chart's schema, which helm applies; the defaults and the examples fit it."""
    for values in VALUES.values():
        jsonschema.validate(DEFAULTS | values, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(DEFAULTS | SMALLEST | changed, SCHEMA)


def test_the_chart_has_the_workers_version() -> None:
    """The image's tag is by default the worker's version."""
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == VERSION
