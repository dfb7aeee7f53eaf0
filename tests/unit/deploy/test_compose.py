"""docker-compose.yml matches the code that it runs; the tests check everything that needs no container."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

import devstack.__main__ as devstack_command
from devstack import demo_environment
from settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = Path(sys.executable).parent / "docker-compose"
DEVSTACK = ("--env-file", "deploy/devstack.env", "--profile", "devstack")
PRODUCTION = {"TEMPORAL_POSTGRES_PASSWORD": "secret", "AURORA_RESTORE_AUDIT_REGION": "eu-central-1"}
TEMPORAL_VARIABLES = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}


def compose(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the real docker-compose in an environment without this machine's variables."""
    return subprocess.run(
        [COMPOSE, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def services_of(*options: str, **environment: str) -> dict[str, Any]:
    completed = compose(*options, "config", "--format", "json", **environment)
    assert completed.returncode == 0, completed.stderr
    services: dict[str, Any] = json.loads(completed.stdout)["services"]
    return services


@pytest.fixture(scope="module")
def with_devstack() -> dict[str, Any]:
    """The services with the devstack's profile, by name."""
    return services_of(*DEVSTACK)


@pytest.fixture(scope="module")
def production() -> dict[str, Any]:
    """The services without a profile, by name."""
    return services_of(**PRODUCTION)


def test_docker_compose_accepts_the_file_without_warning() -> None:
    """docker-compose reports no error and no unset variable, with and without the profile."""
    for completed in (compose("config", "-q", **PRODUCTION), compose(*DEVSTACK, "config", "-q")):
        assert (completed.returncode, completed.stderr) == (0, "")


@pytest.mark.parametrize("missing", PRODUCTION)
def test_a_password_or_region_has_no_default(missing: str) -> None:
    """Without the password and the region nothing starts, and the error names the variable."""
    completed = compose("config", "-q", **{name: value for name, value in PRODUCTION.items() if name != missing})
    assert completed.returncode != 0
    assert missing in completed.stderr


def test_the_emulator_runs_only_with_the_devstack_profile(
    production: dict[str, Any], with_devstack: dict[str, Any]
) -> None:
    """Without the profile there is no emulator, and no service has the emulator's credentials or address."""
    assert with_devstack.keys() - production.keys() == {"aws"}
    environments = [service.get("environment", {}) for service in production.values()]
    assert not [environment for environment in environments if "devstack" in environment.values()]
    assert "AWS_ENDPOINT_URL" not in {k for k, v in production["worker"]["environment"].items() if v}


def test_every_variable_is_one_that_the_code_reads(with_devstack: dict[str, Any]) -> None:
    """Every variable with the pipeline's prefix is a setting; the others are those of AWS and Temporal."""
    for name in ("worker", "setup"):
        variables = with_devstack[name]["environment"]
        settings = {variable for variable in variables if variable.startswith(PREFIX)}
        assert {variable.removeprefix(PREFIX).lower() for variable in settings} <= set(Settings.model_fields)
        assert {v for v in variables if not v.startswith((PREFIX, "AWS_"))} == TEMPORAL_VARIABLES


@pytest.mark.parametrize("name", ["worker", "setup"])
def test_the_settings_accept_the_variables_of_a_container(
    with_devstack: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of a container are valid settings, with the default names of queue and tables."""
    for variable in [variable for variable in os.environ if variable.startswith(PREFIX)]:
        monkeypatch.delenv(variable)
    for variable, value in with_devstack[name]["environment"].items():
        if variable.startswith(PREFIX):
            monkeypatch.setenv(variable, value)
    settings = Settings()
    assert settings.task_queue == Settings.model_fields["task_queue"].default
    assert settings.audit_table == Settings.model_fields["audit_table"].default
    assert settings.operations_table == Settings.model_fields["operations_table"].default


def test_a_production_worker_verifies_the_databases_certificate(production: dict[str, Any]) -> None:
    """TLS is on by default, and the certificates are mounted where the worker reads them."""
    environment, [bundle] = production["worker"]["environment"], production["worker"]["volumes"]
    assert environment["AURORA_RESTORE_DATABASE_TLS"] == Settings.model_fields["database_tls"].default
    assert environment["AURORA_RESTORE_DATABASE_TLS_CA_FILE"] == bundle["target"]


def test_with_the_devstack_the_account_is_that_of_the_examples(with_devstack: dict[str, Any]) -> None:
    """The access key, which the emulator reads as the account, and the region are those of the examples."""
    environment = with_devstack["worker"]["environment"]
    expected = demo_environment.environment("http://aws:4566")
    assert {name: value for name, value in environment.items() if name in expected and value} == {
        name: value for name, value in expected.items() if name in environment
    }


def test_the_ports_are_the_devstacks_and_on_loopback_only(with_devstack: dict[str, Any]) -> None:
    """The ports are those of `python -m devstack`, and no other machine can reach them."""
    published = {
        name: (port["host_ip"], int(port["published"]))
        for name, service in with_devstack.items()
        for port in service.get("ports", ())
    }
    assert published == {
        "temporal": ("127.0.0.1", devstack_command.TEMPORAL_PORT),
        "temporal-ui": ("127.0.0.1", devstack_command.UI_PORT),
        "aws": ("127.0.0.1", devstack_command.AWS_PORT),
    }


@pytest.mark.parametrize("name", ["worker", "setup", "aws"])
def test_the_command_of_a_container_exists(with_devstack: dict[str, Any], name: str) -> None:
    """The program accepts the command and its options."""
    _, *arguments = with_devstack[name]["command"]
    completed = subprocess.run(
        [sys.executable, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.startswith("usage: ")
    parsed = devstack_command._parser().parse_args(arguments[2:]) if name == "aws" else None
    assert parsed is None or (parsed.only_aws, parsed.host, parsed.port) == (True, "0.0.0.0", devstack_command.AWS_PORT)


def test_the_grace_period_is_longer_than_the_workers_shutdown(with_devstack: dict[str, Any]) -> None:
    """Docker sends SIGKILL only after the time that the worker gives its running activities."""
    grace = with_devstack["worker"]["stop_grace_period"]
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(\d+)s", grace).groups("0")  # type: ignore[union-attr]
    activities = int(with_devstack["worker"]["environment"]["AURORA_RESTORE_GRACEFUL_SHUTDOWN_SECONDS"])
    assert int(minutes) * 60 + int(seconds) > activities
    assert activities == Settings.model_fields["graceful_shutdown_seconds"].default


def test_the_worker_starts_last_and_has_a_health_check(with_devstack: dict[str, Any]) -> None:
    """The order is schema, server, namespace, tables, worker; the health check asks Temporal for the worker."""
    chain = ["worker", "setup", "temporal-namespace", "temporal", "temporal-schema", "temporal-postgresql"]
    for later, earlier in pairwise(chain):
        assert earlier in with_devstack[later]["depends_on"]
    assert with_devstack["worker"]["healthcheck"]["test"] == ["CMD", "python", "worker.py", "check"]


def test_the_pipelines_containers_are_read_only_and_have_no_capabilities(with_devstack: dict[str, Any]) -> None:
    """The file system is read-only, and the processes have no capabilities and cannot gain any."""
    for name in ("worker", "setup", "aws"):
        service = with_devstack[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_image_has_a_version_and_temporals_images_the_same_one(with_devstack: dict[str, Any]) -> None:
    """The schema tool has the server's version, and the deprecated image auto-setup is not used."""
    images = {service["image"] for service in with_devstack.values() if "build" not in service}
    assert all(re.search(r":\d+\.\d+(\.\d+)?(-[a-z]+)?$", image) for image in images)
    assert {image.split(":")[1] for image in images if re.search("temporalio/(server|admin-tools)", image)} == {
        "1.32.0"
    }
    assert not [image for image in images if "auto-setup" in image]


def test_every_mounted_file_exists(with_devstack: dict[str, Any]) -> None:
    """Docker would create an empty directory in place of a missing file."""
    sources = {volume["source"] for service in with_devstack.values() for volume in service.get("volumes", ())}
    mounted = {Path(source) for source in sources if source.startswith(str(ROOT))}
    assert {path.relative_to(ROOT).as_posix() for path in mounted if path.exists()} == {
        "deploy/temporal",
        "deploy/temporal/dynamicconfig.yaml",
    }


def test_the_files_for_temporal_are_well_formed() -> None:
    """The shell accepts the setup scripts, and the dynamic configuration is valid YAML of Temporal's form."""
    for script in (ROOT / "deploy" / "temporal").glob("*.sh"):
        assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
        assert "set -eu" in script.read_text()
    config = yaml.safe_load((ROOT / "deploy/temporal/dynamicconfig.yaml").read_text())
    assert all(isinstance(values, list) and "value" in values[0] for values in config.values())


def test_every_build_target_is_a_stage_of_the_dockerfile(with_devstack: dict[str, Any]) -> None:
    """Every build target is the name of a stage in the Dockerfile."""
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert {service["build"]["target"] for service in with_devstack.values() if "build" in service} <= stages
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"] == ">=3.11"
