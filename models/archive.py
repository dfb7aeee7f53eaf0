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
    """Where the outcome is published, to a topic, a webhook or both, and the monitor that expects restores."""

    topic_arn: TopicArn | None = Field(
        default=None, description="The SNS topic of every outcome; required without webhook_secret_id."
    )
    success_topic_arn: TopicArn | None = Field(
        default=None, description="A topic for successful restores; failures always go to topic_arn."
    )
    webhook_secret_id: SecretId | None = Field(
        default=None,
        description="A secret that is JSON with the key url: an https URL to which every outcome is posted as JSON, beside "
        "the topics or in place of them.",
    )
    ping_secret_id: SecretId | None = Field(
        default=None,
        description="A secret that is JSON with the key url: the ping URL of a dead man's switch such as healthchecks.io, "
        "which is pinged with /start at the start, as it is after a success, and with /fail at every other end.",
    )

    @model_validator(mode="after")
    def _somebody_is_notified(self) -> Self:
        if self.topic_arn is None and self.webhook_secret_id is None:
            raise ValueError("give topic_arn or webhook_secret_id: every outcome is published")
        if self.success_topic_arn and self.topic_arn is None:
            raise ValueError("success_topic_arn needs topic_arn, to which failures go")
        return self

    @property
    def topic_arns(self) -> tuple[str, ...]:
        """Every topic that a restore may publish to."""
        return tuple(dict.fromkeys(topic for topic in (self.topic_arn, self.success_topic_arn) if topic))

    def topic_for(self, *, success: bool) -> str | None:
        """The topic of a success or of every other outcome; None: only a webhook gets it."""
        return (self.success_topic_arn if success else None) or self.topic_arn

    def destinations(self, *, success: bool) -> tuple[str, ...]:
        """Who gets a success or every other outcome, for people."""
        webhook = f"the webhook of the secret {self.webhook_secret_id}" if self.webhook_secret_id else None
        return tuple(each for each in (self.topic_for(success=success), webhook) if each)
