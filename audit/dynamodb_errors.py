"""What an error of DynamoDB means for the trail: this room compares error codes nowhere else.

Source: DynamoDB Developer Guide, "Error handling with DynamoDB"; API Reference, TransactWriteItems, PutItem, CreateTable,
UpdateContinuousBackups.
"""

from botocore.exceptions import BotoCoreError, ClientError

_FASTER_WRITER = ("TransactionCanceledException", "TransactionConflictException")


def is_conflict(error: ClientError) -> bool:
    """Whether another writer changed what the transaction depends on: read again, then write."""
    return code_of(error) in _FASTER_WRITER


def is_condition_failed(error: ClientError) -> bool:
    """Whether the key of a PutItem holds an item already."""
    return code_of(error) == "ConditionalCheckFailedException"


def is_existing_table(error: ClientError) -> bool:
    """Whether the table of a CreateTable exists, or is being created or deleted."""
    return code_of(error) == "ResourceInUseException"


def is_backup_not_ready(error: ClientError) -> bool:
    """Whether a new table does not accept point-in-time recovery yet."""
    return code_of(error) == "ContinuousBackupsUnavailableException"


def code_of(error: ClientError | BotoCoreError) -> str:
    """DynamoDB's code; for an error that no answer is behind, the name of its class."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
