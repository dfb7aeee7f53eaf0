"""An answer without a member by which a resource is known is no answer; every other member may be absent."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.session import Session, get_session

from activities.rds.aws_errors import pipeline_error_for
from clients.complete_answers import REQUIRED, IncompleteAnswer, refuse_incomplete_answers
from errors import AwsUnavailable

SERVICES = {"GetCallerIdentity": "sts", "DescribeKey": "kms", "Publish": "sns"}
LISTS = {path.partition("[")[0] for paths in REQUIRED.values() for path in paths if "[" in path}
PATHS = [(operation, path) for operation, paths in REQUIRED.items() for path in paths]


@pytest.fixture(scope="module")
def session() -> Session:
    session = get_session()
    session.set_credentials("key", "secret")
    refuse_incomplete_answers(session)
    return session


def receive(session: Session, operation: str, parsed: dict[str, Any]) -> None:
    """What botocore does with a parsed answer before it returns it."""
    service = SERVICES.get(operation, "rds")
    model = session.get_service_model(service).operation_model(operation)
    events = session.get_component("event_emitter")
    events.emit(f"after-call.{service}.{operation}", http_response=None, parsed=parsed, model=model)


def answer(paths: tuple[str, ...], without: str = "") -> dict[str, Any]:
    """An answer with a value at each path but one; each list has two entries, of which the second lacks it."""
    whole: dict[str, Any] = {}
    for path in paths:
        *outer, last = path.split(".")
        places = [whole]
        for name in outer:
            if name.endswith("[]"):
                places = [entry for place in places for entry in place.setdefault(name[:-2], [{}, {}])]
            else:
                places = [place.setdefault(name, {}) for place in places]
        for number, place in enumerate(places):
            if path != without or (len(places) > 1 and number == 0):
                place.setdefault(last, [] if path in LISTS else "value")
    return whole


@pytest.mark.parametrize(("operation", "path"), PATHS)
def test_an_answer_without_the_member_is_refused(session: Session, operation: str, path: str) -> None:
    """Also if only one resource of several lacks it."""
    related = [each for each in REQUIRED[operation] if path.startswith(f"{each}[") or each.startswith(f"{path}[")]
    paths = tuple(each for each in REQUIRED[operation] if each not in related)
    receive(session, operation, answer(paths))
    with pytest.raises(IncompleteAnswer, match=operation) as refused:
        receive(session, operation, answer(paths, without=path))
    error = pipeline_error_for(refused.value)
    assert (type(error), error.fault.short, error.non_retryable) == (AwsUnavailable, "Answer is incomplete", False)


@pytest.mark.parametrize("operation", REQUIRED)
def test_the_paths_are_the_models(session: Session, operation: str) -> None:
    """A path that the model does not have would refuse every answer."""
    model = session.get_service_model(SERVICES.get(operation, "rds")).operation_model(operation)
    for path in REQUIRED[operation]:
        shape: Any = model.output_shape
        for name in path.split("."):
            shape = shape.members[name.removesuffix("[]")]
            shape = shape.member if name.endswith("[]") else shape


def test_an_empty_list_and_an_error_are_answers(session: Session) -> None:
    """No cluster is an answer too, and an error has a meaning of its own."""
    receive(session, "DescribeDBClusters", {"DBClusters": []})
    receive(session, "DescribeDBClusters", {"Error": {"Code": "DBClusterNotFoundFault"}})
