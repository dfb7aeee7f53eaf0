"""docker-compose.yml against the code that it runs; no container can be started here, so everything else is checked."""

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
LAPTOP = ("--env-file", "deploy/devstack.env", "--profile", "devstack")
REAL = {"TEMPORAL_POSTGRES_PASSWORD": "secret", "AURORA_RESTORE_AUDIT_REGION": "eu-central-1"}
TEMPORALS_OWN = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}


def compose(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real binary, in an environment without anything of this machine's."""
    return subprocess.run(
        [COMPOSE, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def resolved(*options: str, **environment: str) -> dict[str, Any]:
    answer = compose(*options, "config", "--format", "json", **environment)
    assert answer.returncode == 0, answer.stderr
    services: dict[str, Any] = json.loads(answer.stdout)["services"]
    return services


@pytest.fixture(scope="module")
def laptop() -> dict[str, Any]:
    return resolved(*LAPTOP)


@pytest.fixture(scope="module")
def real() -> dict[str, Any]:
    return resolved(**REAL)


def test_compose_itself_finds_no_fault() -> None:
    """With and without the profile; a warning would be a variable that nobody gave."""
    for answer in (compose("config", "-q", **REAL), compose(*LAPTOP, "config", "-q")):
        assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize("missing", REAL)
def test_what_only_the_operator_knows_has_no_default(missing: str) -> None:
    """No baked-in password, no guessed region: without them nothing starts, and the variable is named."""
    answer = compose("config", "-q", **{name: value for name, value in REAL.items() if name != missing})
    assert answer.returncode != 0
    assert missing in answer.stderr


def test_the_emulator_is_for_laptops_only(real: dict[str, Any], laptop: dict[str, Any]) -> None:
    """Without the profile there is none, and nothing speaks to one."""
    assert laptop.keys() - real.keys() == {"aws"}
    assert not [
        value for service in real.values() for value in service.get("environment", {}).values() if value == "devstack"
    ]
    assert "AWS_ENDPOINT_URL" not in {k for k, v in real["worker"]["environment"].items() if v}


def test_every_variable_is_one_that_the_code_reads(laptop: dict[str, Any]) -> None:
    """A setting that was renamed is renamed here, too; a required one is there."""
    for name in ("worker", "setup"):
        variables = laptop[name]["environment"]
        ours = {variable for variable in variables if variable.startswith(PREFIX)}
        assert {variable.removeprefix(PREFIX).lower() for variable in ours} <= set(Settings.model_fields)
        assert {v for v in variables if not v.startswith((PREFIX, "AWS_"))} == TEMPORALS_OWN


@pytest.mark.parametrize("name", ["worker", "setup"])
def test_the_laptops_variables_make_settings(
    laptop: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the container gets is what the worker accepts."""
    for variable in [variable for variable in os.environ if variable.startswith(PREFIX)]:
        monkeypatch.delenv(variable)
    for variable, value in laptop[name]["environment"].items():
        if variable.startswith(PREFIX):
            monkeypatch.setenv(variable, value)
    settings = Settings()
    assert settings.task_queue == Settings.model_fields["task_queue"].default
    assert settings.audit_table == Settings.model_fields["audit_table"].default
    assert settings.operations_table == Settings.model_fields["operations_table"].default


def test_a_real_worker_verifies_the_databases_certificate(real: dict[str, Any]) -> None:
    """TLS is not switched off unless somebody says so, and the bundle is where the worker looks for it."""
    environment, [bundle] = real["worker"]["environment"], real["worker"]["volumes"]
    assert environment["AURORA_RESTORE_DATABASE_TLS"] == Settings.model_fields["database_tls"].default
    assert environment["AURORA_RESTORE_DATABASE_TLS_CA_FILE"] == bundle["target"]


def test_the_laptops_account_is_the_examples(laptop: dict[str, Any]) -> None:
    """The emulator takes the access key for the account; the examples are of that account and region."""
    environment = laptop["worker"]["environment"]
    expected = demo_environment.environment("http://aws:4566")
    assert {name: value for name, value in environment.items() if name in expected and value} == {
        name: value for name, value in expected.items() if name in environment
    }


def test_the_ports_are_the_devstacks_and_open_to_this_host_only(laptop: dict[str, Any]) -> None:
    """The same addresses as without Docker, and none that another machine could reach."""
    published = {
        name: (port["host_ip"], int(port["published"]))
        for name, service in laptop.items()
        for port in service.get("ports", ())
    }
    assert published == {
        "temporal": ("127.0.0.1", devstack_command.TEMPORAL_PORT),
        "temporal-ui": ("127.0.0.1", devstack_command.UI_PORT),
        "aws": ("127.0.0.1", devstack_command.AWS_PORT),
    }


@pytest.mark.parametrize("name", ["worker", "setup", "aws"])
def test_every_command_is_one_that_the_code_has(laptop: dict[str, Any], name: str) -> None:
    """The verb exists and takes those options."""
    _, *arguments = laptop[name]["command"]
    answer = subprocess.run(
        [sys.executable, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("usage: ")
    parsed = devstack_command._parser().parse_args(arguments[2:]) if name == "aws" else None
    assert parsed is None or (parsed.only_aws, parsed.host, parsed.port) == (True, "0.0.0.0", devstack_command.AWS_PORT)


def test_the_worker_is_given_longer_than_its_activities_take(laptop: dict[str, Any]) -> None:
    """Docker's SIGKILL must not come while the worker still lets activities finish."""
    grace = laptop["worker"]["stop_grace_period"]
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(\d+)s", grace).groups("0")  # type: ignore[union-attr]
    activities = int(laptop["worker"]["environment"]["AURORA_RESTORE_GRACEFUL_SHUTDOWN_SECONDS"])
    assert int(minutes) * 60 + int(seconds) > activities
    assert activities == Settings.model_fields["graceful_shutdown_seconds"].default


def test_the_worker_starts_last_and_reports_its_health(laptop: dict[str, Any]) -> None:
    """Schema, server, namespace, tables, then the worker; its health is what Temporal says of it."""
    chain = ["worker", "setup", "temporal-namespace", "temporal", "temporal-schema", "temporal-postgresql"]
    for later, earlier in pairwise(chain):
        assert earlier in laptop[later]["depends_on"]
    assert laptop["worker"]["healthcheck"]["test"] == ["CMD", "python", "worker.py", "check"]


def test_our_containers_can_change_nothing_of_their_own(laptop: dict[str, Any]) -> None:
    """Read-only, without capabilities, without a way to gain any."""
    for name in ("worker", "setup", "aws"):
        service = laptop[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_image_is_pinned_and_temporals_are_of_one_version(laptop: dict[str, Any]) -> None:
    """The schema tool must match the server, and auto-setup is deprecated."""
    images = {service["image"] for service in laptop.values() if "build" not in service}
    assert all(re.search(r":\d+\.\d+(\.\d+)?(-[a-z]+)?$", image) for image in images)
    assert {image.split(":")[1] for image in images if re.search("temporalio/(server|admin-tools)", image)} == {
        "1.32.0"
    }
    assert not [image for image in images if "auto-setup" in image]


def test_every_file_that_is_mounted_is_there(laptop: dict[str, Any]) -> None:
    """Docker would make an empty directory of a missing one."""
    sources = {volume["source"] for service in laptop.values() for volume in service.get("volumes", ())}
    ours = {Path(source) for source in sources if source.startswith(str(ROOT))}
    assert {path.relative_to(ROOT).as_posix() for path in ours if path.exists()} == {
        "deploy/temporal",
        "deploy/temporal/dynamicconfig.yaml",
    }


def test_temporals_own_files_are_well_formed() -> None:
    """The shell and the server read them for the first time inside a container."""
    for script in (ROOT / "deploy" / "temporal").glob("*.sh"):
        assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
        assert "set -eu" in script.read_text()
    config = yaml.safe_load((ROOT / "deploy/temporal/dynamicconfig.yaml").read_text())
    assert all(isinstance(values, list) and "value" in values[0] for values in config.values())


def test_the_image_is_built_from_stages_that_exist(laptop: dict[str, Any]) -> None:
    """A build target is a name in the Dockerfile."""
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert {service["build"]["target"] for service in laptop.values() if "build" in service} <= stages
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"] == ">=3.11"
