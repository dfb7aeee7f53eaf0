"""The JSON for a webhook: what the text says, in fields; docs/notifications.md explains them. It has no secret."""

from __future__ import annotations

from activities.notifications.facts import Pages, describe_outcome, list_facts, message_id
from activities.notifications.next_steps import list_next_steps
from activities.notifications.text import write_message
from clients.secret_urls import NoAnswer, SecretUrlClient
from errors import StepFailed, WebhookUnavailable
from limits import MAX_ATTRIBUTE, MAX_CHAT_LIST, MAX_WEBHOOK_TEXT_BYTES, first_and_more, shorten, shorten_in_json
from models.notifications import NotificationInput

VERSION = "1.0"
SUCCESSES, REDIRECTIONS = range(200, 300), range(300, 400)
BUSY = (408, 425, 429, *range(500, 600))
"""Statuses after which a later attempt may succeed. Source: RFC 9110, Status Codes; RFC 6585; RFC 8470."""


def write_webhook_message(step_input: NotificationInput, pages: Pages, attributes: dict[str, str]) -> dict[str, object]:
    """The message; `text` is where the incoming webhooks of chat applications expect it."""
    state = step_input.state
    links = {
        "web_ui": pages.operation(),
        "runbook": pages.runbook(state.failed_step) if state.failed_step else None,
    }
    return {
        "version": VERSION,
        "id": message_id(),
        "text": shorten_in_json(write_message(step_input, pages), MAX_WEBHOOK_TEXT_BYTES),
        "summary": shorten(describe_outcome(state), MAX_ATTRIBUTE),
        **attributes,
        "facts": {name: shorten(fact, MAX_ATTRIBUTE) for name, fact in list_facts(step_input).items()},
        "differences": [shorten(each, MAX_ATTRIBUTE) for each in first_and_more(state.differences, MAX_CHAT_LIST)],
        "next_steps": [{"what": step.what, "command": step.command} for step in list_next_steps(state)],
        "links": {name: link for name, link in links.items() if link},
    }


def post_to_webhook(http: SecretUrlClient, url: str, secret_id: str, body: bytes) -> None:
    """Post the message once; an error names the secret and never the URL.

    Raises `WebhookUnavailable` to be retried, `StepFailed` if the webhook does not take the message.
    """
    where = f"The webhook of the secret {secret_id}"
    try:
        status = http.post_json(url, body)
    except NoAnswer as kind:
        text = f"{where} did not answer ({kind}). Check that the worker reaches it."
        raise WebhookUnavailable("Webhook not reachable", text, code=str(kind)) from None
    if status in SUCCESSES:
        return
    if status in BUSY:
        text = f"{where} answered with the status {status}. Check that the worker reaches it."
        raise WebhookUnavailable("Webhook not reachable", text, code=str(status))
    if status in REDIRECTIONS:
        text = f"{where} answered with a redirection ({status}), which is not followed. Correct the secret, then retry."
        raise StepFailed("Webhook redirects", text, code=str(status))
    text = f"{where} answered with the status {status}; expected 200 to 299. Correct the secret, then retry."
    raise StepFailed("Webhook refused", text, code=str(status))
