"""FT1: the file and its lines; FT5: how large it may be."""

from __future__ import annotations

from orchestrator.dataset.kinds.kind import Kind, error

FILE: tuple[Kind, ...] = (
    error("FT101", "empty file", "the file holds no example", "Write one JSON object on each line."),
    error("FT102", "not UTF-8", "{problem}", "Save the file as UTF-8 text."),
    error("FT103", "not JSON", "this is not valid JSON: {problem}", "{advice}"),
    error(
        "FT104",
        "not one example on each line",
        "the file is {found}, but each line must hold one whole JSON object (JSONL)",
        "Write each example on a line of its own, without line breaks inside it and without commas between them.",
    ),
    error("FT105", "not an object", "expected a JSON object, found {found}", 'Write {{"messages": […]}}.'),
    error(
        "FT106",
        "too few examples",
        "Training file has {count} example(s), but must have at least {least} examples",
        "Add examples; 100 or more are advised.",
    ),
    error("FT107", "nested too deeply", "the line is nested too deeply to be an example", "Flatten it."),
    error(
        "FT108",
        "line too long",
        "the line is longer than {limit} MiB and was not read",
        "Split it, or give images by URL instead of inside the line.",
    ),
    error(
        "FT109",
        "lone surrogate",
        "the text holds half of a surrogate pair ({found}), which no UTF-8 text can hold",
        "Replace it with the whole character; such halves come from cutting UTF-16 text.",
    ),
    error(
        "FT110",
        "NUL character",
        "the text holds a NUL character, which services refuse",
        "Take the character U+0000 out.",
    ),
    error(
        "FT111",
        "not a file of text",
        "the file looks like {found}, but must be JSONL: UTF-8 text with one JSON object on each line",
        "{advice}",
    ),
    error(
        "FT501",
        "longer than the context",
        "the example has about {tokens:,} tokens, but {model} trains on at most {limit:,}",
        "Shorten or split it.",
    ),
    error(
        "FT502",
        "file too large",
        "the file has {size:,} bytes, but at most {limit:,} are accepted",
        "Split it, or leave examples out.",
    ),
)
