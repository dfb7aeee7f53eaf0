"""What setup-db-users is asked and answers."""

from models.clusters import Endpoint
from models.operation import StepInput, StepOutcome
from models.request import DatabaseUser, Target


class SetupUsersInput(StepInput):
    """For setup-db-users."""

    target: Target
    endpoint: Endpoint
    users: tuple[DatabaseUser, ...]


class SetupUsersOutcome(StepOutcome):
    """Of setup-db-users."""

    created: tuple[str, ...]
    altered: tuple[str, ...]
