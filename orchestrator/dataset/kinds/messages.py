"""FT2: messages."""

from __future__ import annotations

from orchestrator.dataset.kinds.kind import Kind, error

MESSAGES: tuple[Kind, ...] = (
    error(
        "FT201",
        "no messages",
        'the key "messages" must hold the list of messages, but {found}',
        'Write {{"messages": [{{"role": "user", "content": "…"}}, {{"role": "assistant", "content": "…"}}]}}.',
    ),
    error("FT202", "empty messages", "the list of messages is empty", "Write at least one message."),
    error("FT203", "not a message", "expected a message object, found {found}", "Write an object with a role."),
    error(
        "FT204",
        "unknown role",
        "the role is {found}, but must be one of {expected}",
        "Give the message one of these roles.",
    ),
    error(
        "FT205",
        "wrong type of content",
        "expected {expected}, found {found}",
        "Write the content as a string.",
    ),
    error(
        "FT206",
        "no content",
        "a message of role {role} needs content{unless}",
        'Add the key "content" with the text.',
    ),
    error(
        "FT207",
        "wrong content part",
        "{problem}",
        'Write {{"type": "text", "text": "…"}}; user messages may also hold '
        '{{"type": "image_url", "image_url": {{"url": "…"}}}}.',
    ),
    error(
        "FT208",
        "no assistant message",
        "the example has no message from the assistant, so there is nothing to learn",
        "Add the answer that the model shall give.",
    ),
    error(
        "FT209",
        "last message not from the assistant",
        "the last message is from {found}, but must be from the assistant",
        "End the example with the answer that the model shall give.",
    ),
    error(
        "FT210",
        "wrong weight",
        "the weight is {found}, but must be 0 or 1",
        "Write 0 to leave the message out of the training, 1 to train on it.",
    ),
    error(
        "FT211",
        "weight on another role",
        "a message of role {role} has a weight, but only assistant messages may",
        'Take the key "weight" out.',
    ),
    error(
        "FT212",
        "wrong name",
        "{problem}",
        'Write the key "name" as a string, and always on messages of role function.',
    ),
    error(
        "FT213",
        "special token",
        "the text holds the special token {token}, which services refuse",
        "Take it out, or write it in another way.",
    ),
    error("FT214", "another format", "this looks like {found}", "{advice}"),
)
