"""Logging, configured in one place: console on a terminal, one JSON object a line elsewhere.

Events are constants, values are keys. Operation, step and attempt are bound once, as context variables.
"""

import logging
import sys
from typing import Any

import structlog
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from errors import PipelineError
from settings import LogFormat

log = structlog.stdlib.get_logger("activity")


def configure_logs(log_format: LogFormat, level: str) -> None:
    """Send structlog's and the standard library's lines (Temporal's, botocore's) to stderr in one form."""
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(log_format)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # botocore and urllib3 write request bodies at DEBUG, and a body can hold a password.
    for chatty in ("botocore", "boto3", "urllib3"):
        logging.getLogger(chatty).setLevel(max(logging.INFO, root.level))
    # The SDK writes every failed attempt with a traceback; LogInterceptor writes it better, once.
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)


def _rendering(log_format: LogFormat) -> list[structlog.typing.Processor]:
    console = log_format is LogFormat.CONSOLE or (log_format is LogFormat.AUTO and sys.stderr.isatty())
    if console:
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


class LogInterceptor(Interceptor):
    """One line for every attempt of an activity, with operation, step and attempt bound for whatever else it logs."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See base class."""
        return _Logging(next)


class _Logging(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        operation_id = getattr(input.args[0], "operation_id", None) if input.args else None
        with structlog.contextvars.bound_contextvars(
            step=info.activity_type, attempt=info.attempt, **({"operation": operation_id} if operation_id else {})
        ):
            try:
                result = await self.next.execute_activity(input)
            except PipelineError as error:
                log.warning("attempt failed", error=error.type, text=error.message)
                raise
            except Exception:
                # None that an operator could act on: an error of ours, which needs its traceback.
                log.exception("attempt failed unexpectedly")
                raise
            log.info("attempt done", details=getattr(result, "details", None), done=getattr(result, "done", None))
            return result
