"""What is kept of a restore, and who is notified of it."""

from typing import Self

from pydantic import Field, model_validator

from models.identifiers import AccountId, SecretId, TopicArn
from models.model import Model, SparseModel


class Archive(Model):
    """What is kept of a restore, and how often."""

    keep: int = Field(
        default=2,
        ge=0,
        le=90,
        description="How many of the pipeline's copies stay in the target region, including this operation's. They are "
        "production's data, unmasked; with 0 none stays, and only the source has the snapshot.",
    )
    masked: bool = Field(
        default=False,
        description="Keep snapshots of the masked target instead, `keep` of them, and no copy of production's data. "
        "Needs masking or sql_files.",
    )
    share_with: tuple[AccountId, ...] = Field(
        default=(),
        max_length=20,
        description="With masked: the accounts that may restore the masked snapshots; at most 20, as RDS allows.",
    )

    @model_validator(mode="after")
    def _masked_ones_are_kept_and_shared(self) -> Self:
        if self.masked and self.keep == 0:
            raise ValueError("masked needs keep to be at least 1: this restore's masked snapshot is one of those kept")
        if self.share_with and not self.masked:
            raise ValueError("share_with needs masked: copies of production's data are shared with nobody")
        return self

    @property
    def copies_to_keep(self) -> int:
        """How many copies of production's data stay."""
        return 0 if self.masked else self.keep


class Notification(SparseModel):
    """The topics to which the outcome is published, and the monitor that expects restores."""

    topic_arn: TopicArn
    success_topic_arn: TopicArn | None = Field(
        default=None, description="A topic for successful restores; failures always go to topic_arn."
    )
    ping_secret_id: SecretId | None = Field(
        default=None,
        description="A secret that is JSON with the key url: the ping URL of a dead man's switch such as healthchecks.io, "
        "which is pinged with /start at the start, as it is after a success, and with /fail at every other end.",
    )

    @property
    def topic_arns(self) -> tuple[str, ...]:
        """Every topic that a restore may publish to."""
        return tuple(dict.fromkeys(topic for topic in (self.topic_arn, self.success_topic_arn) if topic))
