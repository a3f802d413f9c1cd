"""FT2: messages."""

from __future__ import annotations

from orchestrator.dataset.rules.rule import (
    ANSWER,
    CALL,
    CONVERT_COMMAND,
    USER,
    Rule,
    asked,
    called,
    error,
    preference,
    row,
    said,
    warning,
)

_GOOD = said(USER, ANSWER)
_IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/field.png"}}
_QUESTION = {"type": "text", "text": "Where can I land?"}

MESSAGES: tuple[Rule, ...] = (
    error(
        "FT201",
        "no messages",
        'the key "messages" must hold the list of messages, but {found}',
        'Write {{"messages": [{{"role": "user", "content": "…"}}, {{"role": "assistant", "content": "…"}}]}}.',
        wrong=row(text="Climb to 50 m."),
        right=_GOOD,
    ),
    error(
        "FT202",
        "empty messages",
        "the list of messages is empty",
        "Write at least one message.",
        wrong=said(),
        right=_GOOD,
    ),
    error(
        "FT203",
        "not a message",
        "expected a message object, found {found}",
        "Write an object with a role.",
        wrong=said("Climb to 50 m.", ANSWER),
        right=_GOOD,
    ),
    error(
        "FT204",
        "unknown role",
        "the role is {found}, but must be one of {expected}",
        "Give the message one of these roles.",
        wrong=said({**USER, "role": "pilot"}, ANSWER),
        right=_GOOD,
    ),
    error(
        "FT205",
        "wrong type of content",
        "expected {expected}, found {found}",
        "Write the content as a string.",
        wrong=asked(50),
        right=asked("50"),
    ),
    error(
        "FT206",
        "no content",
        "a message of role {role} needs content{unless}",
        'Add the key "content" with the text.',
        wrong=said({"role": "user"}, ANSWER),
        right=_GOOD,
    ),
    error(
        "FT207",
        "wrong content part",
        "{problem}",
        "{advice}",
        wrong=asked([_QUESTION, {**_IMAGE, "image_url": "https://example.org/field.png"}]),
        right=asked([_QUESTION, _IMAGE]),
    ),
    error(
        "FT208",
        "no assistant message",
        "{subject} no message from the assistant, so there is nothing to learn",
        "Add {answer} that the model should give.{advice}",
        wrong=said(USER),
        right=_GOOD,
    ),
    error(
        "FT209",
        "last message not from the assistant",
        "the last message is from {found}, but must be from the assistant",
        "End the example with the answer that the model should give.",
        wrong=said(USER, ANSWER, USER),
        right=said(USER, ANSWER, USER, ANSWER),
    ),
    error(
        "FT210",
        "wrong weight",
        "the weight is {found}, but must be 0 or 1",
        "Write 0 to leave the message out of training, 1 to train on it.",
        wrong=asked("Climb.", weight=0.5),
        right=asked("Climb.", weight=1),
    ),
    error(
        "FT211",
        "weight on another role",
        "a message of role {role} has a weight, but only assistant messages may",
        'Remove the key "weight".',
        wrong=said({**USER, "weight": 0}, ANSWER),
        right=said(USER, {**ANSWER, "weight": 1}),
    ),
    error(
        "FT212",
        "wrong name",
        "{problem}",
        'Write the key "name" as a string, and always on messages of role function.',
        wrong=said({**USER, "name": 7}, ANSWER),
        right=said({**USER, "name": "ada"}, ANSWER),
    ),
    error(
        "FT213",
        "special token",
        "the text holds the special token {token}, which services refuse",
        "Remove it, or write it another way.",
        wrong=asked("Complete this: <|fim_suffix|>"),
        right=asked("Complete this: <fim_suffix>"),
    ),
    error(
        "FT214",
        "another format",
        "this looks like {found}",
        "{advice}",
        wrong=row(prompt="Climb to 50 m.", completion="Done."),
        right=_GOOD,
    ),
    warning(
        "FT215",
        "two assistant messages in a row",
        "the assistant speaks twice in a row; one service refused a whole file for this without naming a line",
        "Join the two messages, or add the message that the second one answers.",
        wrong=said(USER, {**ANSWER, "content": "Climbing."}, ANSWER),
        right=said(USER, {**ANSWER, "content": "Climbing."}, USER, ANSWER),
    ),
    warning(
        "FT216",
        "many images",
        "the example has {count} images; OpenAI accepts at most {limit} per example, Azure at most 64",
        "Spread them over several examples.",
        wrong=asked([_IMAGE] * 11),
        right=asked([_IMAGE] * 10),
    ),
    error(
        "FT217",
        "key that changes the meaning",
        "{count} {what}(s) have the key {key}: {harm}",
        "{advice}{dropped}",
        wrong=said(USER, ANSWER, system="You fly a drone."),
        right=said({"role": "system", "content": "You fly a drone."}, USER, ANSWER),
    ),
    warning(
        "FT218",
        "unknown key",
        "{count} {what}(s) have the key {key}, which training services do not read; some refuse the file for it",
        "{advice}{dropped}",
        wrong=asked("Climb.", timestamp="10:15"),
        right=asked("Climb."),
    ),
    warning(
        "FT219",
        "reasoning that is not trained on",
        "{count} answer(s) have their reasoning under the key {key}, which services do not train on: the model "
        "learns to answer without it",
        f"Put it into the content if the model is to write it, or remove it: {CONVERT_COMMAND}{{dropped}}",
        wrong=asked("Climb.", reasoning_content="The sky is clear."),
        right=asked("Climb."),
    ),
    warning(
        "FT220",
        "empty text",
        "{count} message(s) of role {role} have no text, or only white space",
        "Complete the messages, or leave the examples out.",
        wrong=asked(" "),
        right=asked("Climb."),
    ),
    warning(
        "FT221",
        "call written as text",
        "{count} answer(s) write a call as text; the model learns to do the same, and the API does not return it "
        "as a call",
        f"Write the calls under tool_calls and the definitions under tools: {CONVERT_COMMAND}",
        wrong=asked("Climb.", content='<tool_call>{"name": "climb", "arguments": {}}</tool_call>'),
        right=called(CALL),
    ),
)


# --- FT4: methods other than supervised --------------------------------------------------------------------------


_GOOD_PREFERENCE = preference()

METHODS: tuple[Rule, ...] = (
    error(
        "FT401",
        "no input",
        'the key "input" must hold an object with "messages", but {found}',
        'Write {{"input": {{"messages": […]}}, "preferred_output": […], "non_preferred_output": […]}}.',
        wrong=preference(input="Climb to 50 m."),
        right=_GOOD_PREFERENCE,
    ),
    error(
        "FT402",
        "no output",
        'the key "{key}" must hold a non-empty list of messages, but {found}',
        'Write "{key}": [{{"role": "assistant", "content": "…"}}].',
        wrong=preference(non_preferred_output=[]),
        right=_GOOD_PREFERENCE,
    ),
    error(
        "FT403",
        "wrong role in an output",
        "an output may only hold messages of role assistant and tool; found {found}",
        'Move the message into "input".',
        wrong=preference(preferred_output=[USER, ANSWER]),
        right=preference(preferred_output=[ANSWER]),
    ),
    warning(
        "FT404",
        "identical outputs",
        "the preferred and the other output are the same, so there is nothing to prefer",
        "Write two different outputs, or leave the example out.",
        wrong=preference(preferred_output=[ANSWER], non_preferred_output=[ANSWER]),
        right=preference(preferred_output=[ANSWER]),
    ),
    error(
        "FT411",
        "last message not from the user",
        "the last message is from {found}, but in reinforcement data must be from the user",
        "End the example with the prompt; put the grader's data into keys beside the messages.",
        wrong=said(USER, ANSWER, altitude=50),
        right=said(USER, altitude=50),
    ),
)
