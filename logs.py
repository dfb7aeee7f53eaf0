"""Logging: readable lines on a terminal, one JSON object per line elsewhere.

An event is a constant text, and every value has a key of its own. The keys `operation`, `target`, `step` and `attempt` are
bound once per attempt of an activity, for every line that is logged during it.
"""

import logging
import os
import sys
import traceback
from typing import Any

import structlog
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from errors import PipelineError, is_from_driver
from settings import LogFormat

log = structlog.stdlib.get_logger("activity")


def configure_logs(log_format: LogFormat, level: str) -> None:
    """Send the lines of structlog and of the standard library (Temporal's, botocore's) to stderr in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(log_format)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # botocore and urllib3 write request bodies at DEBUG, and a body can hold a password; psycopg may quote a statement.
    # At INFO botocore says for each client where it found credentials.
    for name in ("botocore", "boto3", "urllib3", "psycopg"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # The SDK logs every failed attempt with a traceback; LogInterceptor logs it once, without.
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)


def _renderers(log_format: LogFormat) -> list[structlog.typing.Processor]:
    console = log_format is LogFormat.CONSOLE or (log_format is LogFormat.AUTO and sys.stderr.isatty())
    if console:
        # Not structlog's default: with rich installed it shows every local variable, passwords among them.
        plain = structlog.dev.plain_traceback
        is_coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        return [structlog.dev.ConsoleRenderer(colors=is_coloured, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _is_caused_by_driver(error: BaseException | None) -> bool:
    """Whether the traceback would have the text of a database's driver, which may quote a statement or data."""
    while error is not None:
        if is_from_driver(error):
            return True
        error = error.__cause__ or error.__context__
    return False


class LogInterceptor(Interceptor):
    """Logs one line per attempt of an activity, and binds its operation, target, step and attempt."""

    def __init__(self, *, log_sql_errors: bool = False) -> None:
        """With `log_sql_errors`, a line has what a database's server said of an operator's SQL, which may quote data."""
        self._log_sql_errors = log_sql_errors

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See base class."""
        return _LogInbound(next, log_sql_errors=self._log_sql_errors)


class _LogInbound(ActivityInboundInterceptor):
    """Logs how an attempt ended. An activity without an operation, such as open-operation, has no such key."""

    def __init__(self, next: ActivityInboundInterceptor, *, log_sql_errors: bool) -> None:
        super().__init__(next)
        self._log_sql_errors = log_sql_errors

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        argument = input.args[0] if input.args else None
        known = {"operation": getattr(argument, "operation_id", None), "target": _target_of(argument)}
        bound = {name: value for name, value in known.items() if value}
        with structlog.contextvars.bound_contextvars(step=info.activity_type, attempt=info.attempt, **bound):
            try:
                result = await self.next.execute_activity(input)
            except PipelineError as error:
                server_text = {"server_text": error.server_text} if self._log_sql_errors and error.server_text else {}
                log.warning("attempt failed", error_type=error.type, message=error.message, **server_text)
                raise
            except Exception as error:
                # A defect of the pipeline; an operator cannot act on it, a developer needs the traceback.
                if _is_caused_by_driver(error):
                    frames = "".join(traceback.format_tb(error.__traceback__))
                    log.error("attempt failed unexpectedly", error_type=type(error).__name__, frames=frames)  # noqa: TRY400 - without its text
                else:
                    log.exception("attempt failed unexpectedly")
                raise
            # Only a step's outcome has them.
            values = {name: getattr(result, name) for name in ("details", "done") if hasattr(result, name)}
            log.info("attempt done", **values)
            return result


def _target_of(argument: Any) -> str | None:
    """The name of the target cluster that an activity's input is about; None if it does not say it."""
    arn = getattr(argument, "target_arn", None)
    name = getattr(getattr(argument, "target", None), "cluster", None) or (arn and arn.rpartition(":")[2])
    return str(name) if name else None
