"""FT1: the file and its lines; FT5: how large it may be."""

from __future__ import annotations

import json

from orchestrator.dataset.rules.rule import (
    ANSWER,
    CONVERT_COMMAND,
    USER,
    Rule,
    asked,
    error,
    preference,
    said,
    warning,
)

_GOOD = said(USER, ANSWER)

FILE: tuple[Rule, ...] = (
    error(
        "FT100",
        "unreadable file",
        "the file can't be read: {problem}",
        "Name a regular file that you may read; for a directory, name the files in it.",
    ),
    error(
        "FT101",
        "empty file",
        "the file has no example",
        "Write one JSON object on each line.",
        wrong="\n",
        right=_GOOD,
    ),
    error("FT102", "not UTF-8", "{problem}, so the line can't be read", "Save the file as UTF-8 text."),
    error("FT103", "not JSON", "this is not valid JSON: {problem}", "{advice}", wrong=f"{_GOOD},", right=_GOOD),
    error(
        "FT104",
        "not one example on each line",
        "the file is {found}, but each line must hold one whole JSON object (JSONL)",
        f"Let ftorch rewrite it: {CONVERT_COMMAND}",
        wrong=json.dumps(json.loads(_GOOD), indent=2, ensure_ascii=False),
        right=_GOOD,
    ),
    error(
        "FT105",
        "not an object",
        "expected a JSON object, found {found}",
        'Write {{"messages": […]}}.',
        wrong=json.dumps([USER, ANSWER]),
        right=_GOOD,
    ),
    error(
        "FT106",
        "too few examples",
        "the training file has {count} example(s), but must have at least {least}",
        "Add examples; 100 or more are advised.",
        wrong=_GOOD,
        right="\n".join(asked(f"Climb to {metres} m.") for metres in range(10, 60, 5)),
    ),
    error("FT107", "nested too deeply", "the line is nested too deeply to be an example", "Flatten it."),
    error(
        "FT108",
        "line too long",
        "the line {problem}, so it was not read",
        "Split it, or give images by URL instead of inside the line.",
    ),
    error(
        "FT109",
        "lone surrogate",
        "the text holds half of a surrogate pair ({found}), which no UTF-8 text can hold",
        "Replace it with the whole character; such halves come from cutting UTF-16 text.",
        wrong=asked("Climb \\ud83d").replace("\\\\", "\\"),
        right=asked("Climb \\ud83d\\ude80").replace("\\\\", "\\"),
    ),
    error(
        "FT110",
        "NUL character",
        "the text holds a NUL character, which services refuse",
        "Remove the character U+0000.",
        wrong=asked("Climb\0."),
        right=asked("Climb."),
    ),
    error(
        "FT111",
        "not a file of text",
        "the file looks like {found}, but must be JSONL: UTF-8 text with one JSON object on each line",
        "{advice}",
    ),
    error(
        "FT112",
        "key given twice",
        "the key {key} appears twice in one object, so only one of its values is used",
        "Keep the right one.",
        wrong=_GOOD.replace('"content"', '"content": "Land.", "content"', 1),
        right=_GOOD,
    ),
    error(
        "FT113",
        "mixed formats",
        "the file mixes {found}; an endpoint accepts one format per file",
        "Split it into one file per format.",
        wrong=f"{_GOOD}\n{preference()}",
        right=f"{_GOOD}\n{_GOOD}",
    ),
    error(
        "FT501",
        "longer than the context",
        "the example has {tokens} tokens, but {model} takes at most {limit:,}",
        "Shorten or split it.",
    ),
    error(
        "FT502",
        "file too large",
        "the file has {size:,} bytes, but at most {limit:,} are accepted",
        "Split it, or leave examples out.",
    ),
)


# --- FT7: refused by one endpoint only; FT8: between files -------------------------------------------------------


ENDPOINTS: tuple[Rule, ...] = (
    error(
        "FT701",
        "method not offered",
        "{endpoint} endpoints do not train with the method {method}",
        "Train {offered} there, on such data, or choose an endpoint of another type ({others}).",
    ),
    error(
        "FT702",
        "more tokens than one job may train on",
        "{tokens:,} tokens × {epochs} epochs are more than the {limit:,} that one job on {endpoint} may train on",
        "Train for fewer epochs, or leave examples out.",
    ),
    error(
        "FT703",
        "refused by this endpoint",
        "{endpoint} refuses {problem}",
        "{advice}",
    ),
    warning(
        "FT704",
        "model not trained with this",
        "{endpoint} trains {what}, not {other}",
        "{advice}, or choose another endpoint.",
    ),
)

BETWEEN_FILES: tuple[Rule, ...] = (
    error(
        "FT801",
        "tool definitions differ from training",
        "the definitions must match those of training: {problem}",
        "Use the same definitions in both files; ftorch data shorten shortens both alike.",
    ),
    error(
        "FT802",
        "mostly leaked",
        "{count} of {of} example(s) also appear in {other}, exactly or nearly: {where}",
        "Measure with other examples: ftorch data split takes some out of the training file. To measure with these "
        "anyway, give --allow-leak.",
    ),
)
