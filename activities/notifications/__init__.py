"""sns-notification: what the message says, as text and in AWS's chat schema, and how it is delivered."""
