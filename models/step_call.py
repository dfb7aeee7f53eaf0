"""One call of a step's activity: what the inputs and the outcomes of all steps have in common."""

from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, Field

from limits import MAX_DETAILS, MAX_FACT, MAX_FACTS, MAX_RESOURCES, MAX_WARNING, MAX_WARNINGS, first_and_more, shorten
from models.model import Model
from models.waits import Change, PollPlan, Watch


class FinalPoll(StrEnum):
    """Why a poll is the last one of its step, whatever it finds."""

    DEADLINE = "deadline"
    CANCELLED = "cancelled"


class StepInput(Model):
    """What the input of every step has, besides the step's own fields."""

    operation_id: str
    step_started_at: AwareDatetime = Field(description="When the workflow began this run of the step, by its clock.")
    poll: int = Field(default=1, ge=1, description="The number of this poll; 1 is the step's first call.")
    resource_seen: bool = Field(
        default=False, description="Whether an earlier poll found the resource: then a NotFound is final."
    )
    final_poll: FinalPoll | None = Field(default=None, description="Why no poll follows this one; None: one may.")
    watch: Watch | None = Field(default=None, description="How the activity polls by itself; None: it polls once.")
    durations: dict[Change, int] = Field(
        default={}, description="The seconds that the changes took which ended in this step so far."
    )

    @property
    def first_facts(self) -> dict[str, str]:
        """What the trail has of the step before it does anything, by name."""
        return {}

    def after(self, outcome: "StepOutcome") -> Self:
        """The input of the next poll, after one that was not done."""
        return self.model_copy(
            update={
                "resource_seen": self.resource_seen or bool(outcome.resource_arns),
                "durations": outcome.durations or self.durations,
                **outcome.next_input,
            }
        )


class StepOutcome(Model):
    """What the activity of a step returns when nothing failed."""

    done: bool = Field(default=True, description="Whether the step is done; if not, the workflow polls again later.")
    details: str = Field(description="When done, the trail's Details; until then, how far the step is.")
    percent: int | None = Field(default=None, ge=0, le=100)
    in_progress: tuple[Change, ...] = Field(
        default=(), description="What AWS has yet to finish, if the step is not done."
    )
    urgent: bool = Field(default=False, description="Whether the intervals stay short while the step waits for that.")
    plan: PollPlan | None = Field(default=None, description="When to poll next, if the step is not done.")
    durations: dict[Change, int] = Field(
        default={}, description="The seconds that the changes took which ended in this step so far."
    )
    resource_arns: tuple[str, ...] = ()
    request_ids: tuple[str, ...] = Field(default=(), description="AWS request ids of the calls that changed something.")
    attempt: int = Field(default=1, ge=1, description="The attempt of the activity that returned this.")
    run_id: str | None = Field(
        default=None, description="The run that scheduled the activity; after a reset not the current one."
    )
    ended_at: AwareDatetime | None = Field(default=None, description="When the activity returned, by Temporal's clock.")
    warnings: tuple[str, ...] = ()
    facts: dict[str, str] = Field(default={}, description="What else an auditor may ask for, by name.")

    @property
    def next_input(self) -> dict[str, object]:
        """What this poll changes of the next one's input, by its fields."""
        return {}

    def shortened(self) -> Self:
        """The outcome with everything that AWS or a database may make long cut to its limit."""
        warnings = [shorten(warning, MAX_WARNING) for warning in self.warnings]
        if len(self.resource_arns) > MAX_RESOURCES:
            warnings.append(f"{len(self.resource_arns) - MAX_RESOURCES} more resources are not listed.")
        facts = {name: shorten(fact, MAX_FACT) for name, fact in list(self.facts.items())[:MAX_FACTS]}
        return self.model_copy(
            update={
                "details": shorten(self.details, MAX_DETAILS),
                "warnings": first_and_more(warnings, MAX_WARNINGS),
                "resource_arns": self.resource_arns[:MAX_RESOURCES],
                "facts": facts,
            }
        )
