"""The secrets of a request: whether each exists and can be used. Their values never leave the check that reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.databases.masking.key import read_masking_key
from activities.databases.passwords import is_master_password, read_password
from activities.preflight.context import RestoreContext, known
from activities.preflight.guards import PreflightCheck, Violation
from activities.rds.aws_errors import pipeline_error_for
from clients.secret_urls import read_webhook
from errors import Fault, PipelineError, StepFailed, Transient
from models.users import secret_ids

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

NOT_FOUND = "Secret not found"


class SecretChecks:
    """Read as the later steps read them, in the target's account and region."""

    def __init__(self, context: RestoreContext) -> None:
        """`context` is the planned restore."""
        self._context = context
        step_input = context.step_input
        self._master = step_input.target.master_user_secret_id
        self._masking_key = step_input.masking.key_secret_id if step_input.masking else None
        self._webhook = step_input.notification.webhook_secret_id
        others = [secret for secret in (self._master, self._masking_key, self._webhook) if secret]
        self._ids = tuple(dict.fromkeys((*secret_ids(step_input.users), *others)))

    def checks(self) -> list[PreflightCheck]:
        """Whether the secrets exist, and whether their values are passwords."""
        return [
            PreflightCheck(("secret",), self._check_existence),
            PreflightCheck(("secret-value", "master-password"), self._check_values),
            PreflightCheck(("masking-key",), self._check_masking_key),
            PreflightCheck(("secret-value",), self._check_webhook),
        ]

    def _check_existence(self) -> Iterator[Violation]:
        for secret in self._ids:
            description = self._context.find_secret(secret)
            if description is None:
                yield self._context.missing_resource("secret", NOT_FOUND, f"secret {secret}")
            elif "DeletedDate" in description:
                text = f"the secret {secret} is marked for deletion, so that nobody can read it. Restore the secret."
                yield Violation("secret", NOT_FOUND, text)

    def _check_values(self) -> Iterator[Violation]:
        """Silent about a secret that does not exist or cannot be described: that is another violation already."""
        users = {user.name: user.secret_id for user in self._context.step_input.users if user.secret_id}
        uses = [*users.items(), *([(None, self._master)] if self._master else [])]
        reported = set()
        for login, secret in uses:
            if not self._is_readable(secret):
                continue
            try:
                password = self._read(secret, login)
            except StepFailed as error:
                if error.fault.message not in reported:
                    reported.add(error.fault.message)
                    yield Violation("secret-value", error.fault.short, error.fault.message)
                continue
            if login is None and not is_master_password(password):
                yield Violation(
                    "master-password",
                    "Master password not accepted",
                    f"RDS would not accept the password in the secret {secret} for the master user: it takes 8 to 41 "
                    'printable ASCII characters without / @ " and space. Correct the secret.',
                )

    def _check_masking_key(self) -> Iterator[Violation]:
        if fault := self._find_fault(self._masking_key, read_masking_key):
            yield Violation("masking-key", fault.short, fault.message)

    def _check_webhook(self) -> Iterator[Violation]:
        if fault := self._find_fault(self._webhook, read_webhook):
            yield Violation("secret-value", fault.short, fault.message)

    def _find_fault(self, secret: str | None, read: Callable[[SecretsManagerClient, str], object]) -> Fault | None:
        """Silent about a secret that does not exist or cannot be described, as `_check_values` is."""
        if secret is None or not self._is_readable(secret):
            return None
        step_input = self._context.step_input
        secrets = self._context.aws.secretsmanager(step_input.target, step_input.operation_id)
        try:
            read(secrets, secret)
        except ClientError as error:
            failure = _refused_read(error)
            if isinstance(failure, Transient):
                raise failure from error
            return failure.fault
        except StepFailed as error:
            return error.fault
        return None

    def _is_readable(self, secret: str) -> bool:
        description = known(partial(self._context.find_secret, secret))
        return description is not None and "DeletedDate" not in description

    def _read(self, secret: str, login: str | None) -> str:
        """Raises `StepFailed` if the step that uses the password could not read it either."""
        step_input = self._context.step_input
        secrets = self._context.aws.secretsmanager(step_input.target, step_input.operation_id)
        try:
            return read_password(secrets, secret, login)
        except ClientError as error:
            raise _refused_read(error) from error


def _refused_read(error: ClientError) -> PipelineError:
    """What AWS says of one secret is a violation of this check; that AWS is unavailable is an error of all of them."""
    failure = pipeline_error_for(error)
    return failure if isinstance(failure, Transient) else StepFailed(failure.fault.short, failure.fault.message)
