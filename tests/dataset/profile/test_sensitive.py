from __future__ import annotations

import pytest
from support.surveys import asks, call, noted, says

# Put together here, so that no scanner takes this file for one that holds keys.
KEYS = {
    "an OpenAI key": "sk-" + "proj-" + "aB3" * 16,
    "an Anthropic key": "sk-" + "ant-api03-" + "aB3" * 20,
    "an AWS access key": "AKIA" + "QWERTYUIOPASDFGH",
    "a GitHub token": "ghp" + "_" + "aB3" * 12,
    "a GitLab token": "glpat" + "-" + "aB3" * 7,
    "a Slack token": "xoxb" + "-" + "123456789012-aB3aB3aB3",
    "a Google API key": "AIza" + "aB3dE" * 7,
    "a Stripe key": "sk" + "_live_" + "aB3" * 8,
    "a Hugging Face token": "hf" + "_" + "aBcDeF" * 5 + "aBcD",
    "an npm token": "npm" + "_" + "aB3" * 12,
    "a JSON Web Token": "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0In0" + ".aB3" * 1 + "aB3" * 9,
    "a private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize(("kind", "key"), KEYS.items(), ids=KEYS)
def test_each_kind_of_key_is_named_with_four_characters_of_it_and_no_more(kind: str, key: str) -> None:
    reason = noted([says("a", "b"), says(f"My key is:\n{key}.", "Thanks")])["FT631"]
    assert reason == f"the text contains what looks like {kind} ({key[:4]}…): line 2"
    assert key[4:12] not in reason


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_key_inside_a_longer_word_or_an_image_is_none(key: str) -> None:
    assert "FT631" not in noted([says(f"x{key}", "b")])
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,iVBO {key}"}}
    assert "FT631" not in noted(
        [{"messages": [{"role": "user", "content": [image]}, says("", "ok")["messages"][1]]}]
    )


@pytest.mark.parametrize(
    "text",
    [
        "sk-" + "fading-circle-and-other-styles-of-loading",
        "the task-" + "a" * 40,
        "ASIA" + "PACIFIC",
        "AKIA" + "1" * 16,
    ],
)
def test_words_that_begin_like_a_key_are_let_be(text: str) -> None:
    assert "FT631" not in noted([says(text, text)])


def test_keys_are_found_wherever_text_stands() -> None:
    key = KEYS["a GitHub token"]
    for row in (
        says(key, "b"),
        says("a", key),
        says("a", "b", system=key),
        asks("a", call("f", token=[{"t": key}])),
    ):
        assert "FT631" in noted([row])


def test_addresses_are_shown_by_their_first_letter_and_host() -> None:
    rows = [says("Write to bob@acme.io and eve@acme.io", "b"), says("a", "Sent to bob@acme.io.")]
    assert noted(rows)["FT632"] == 'the text contains e-mail addresses ("b…@acme.io"): lines 1 and 2'


@pytest.mark.parametrize(
    "text",
    [
        "ann@example.com",
        "ann@mail.example.org",
        "ann@host.test",
        "@acme.io",
        "ann@acme",
        "git@github.com:a/b",
        "1 @ 2.50",
    ],
)
def test_what_is_nobodys_address_is_let_be(text: str) -> None:
    assert "FT632" not in noted([says(text, "b")])
