from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from orchestrator.errors import DataFileNotFound
from orchestrator.generation.calls import Call, Kind, Style, Target, Written
from orchestrator.generation.checks.languages import other_language
from orchestrator.generation.checks.screening import LONGEST, Screen

DRONE = Path(__file__).parents[3] / "jobs" / "drone"


def asked(
    text: str,
    *,
    height: int = 30,
    kind: Kind = Kind.CALL,
    name: str = "take_off",
    language: str = "en",
    to: str = "",
) -> Written:
    arguments = {"height": height, **({"to": to} if to else {})}
    target = Target("t", kind, Style.DIRECT, (Call(name, arguments),), "c", language=language)
    return Written(target, text)


def reasons(screen: Screen, written: Written) -> list[str]:
    return [drop.reason for drop in screen.faults(written)]


def screen_with(*kept: Written) -> Screen:
    screen = Screen()
    for each in kept:
        assert screen.faults(each) == []
        screen.add(each)
    return screen


def test_nearly_the_same_words_for_the_same_answer_are_a_duplicate() -> None:
    screen = screen_with(asked("Take off and hover at 30 metres above the field"))
    assert reasons(screen, asked("take off and hover at 30 metres, above the field!")) == ["near-duplicate"]
    assert reasons(screen, asked("Please take off and hover at 30 metres above the field")) == ["near-duplicate"]
    assert reasons(screen, asked("Lift up to 30 m")) == []


def test_the_same_words_for_another_answer_are_a_contradiction() -> None:
    screen = screen_with(asked("Take off and hover at 30 metres above the field"))
    assert reasons(screen, asked("Please take off and hover at 30 metres above the field", height=31)) == [
        "contradiction"
    ]
    assert reasons(screen, asked("Take off and hover at 30 metres above the field", kind=Kind.REJECT)) == [
        "contradiction"
    ]


def test_another_value_or_another_order_of_values_is_another_request() -> None:
    screen = screen_with(asked("Take off and hover at 30 metres above the field in front of the barn"))
    other = asked("Take off and hover at 40 metres above the field in front of the barn", height=40)
    assert reasons(screen, other) == []
    screen = screen_with(asked("tilt 10 pan 20", height=1))
    assert reasons(screen, asked("tilt 20 pan 10", height=2)) == []
    assert reasons(screen, asked("tilt -10 pan 20", height=3)) == []


def test_duplicates_are_found_among_thousands_with_one_answer() -> None:
    screen = Screen()
    words = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "bdfgklmnprst"]
    texts = [" ".join(words[(i * k) % len(words)] for k in (1, 7, 11, 13, 17, 19)) for i in range(1, 700)]
    kept = []
    for text in texts:
        if not screen.faults(asked(text, kind=Kind.REJECT)):
            screen.add(asked(text, kind=Kind.REJECT))
            kept.append(text)
    assert len(kept) > 600
    again = [reasons(screen, asked(f"{text} please", kind=Kind.REJECT)) for text in kept]
    assert again.count(["near-duplicate"]) == len(kept)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" …! ", "empty"),
        ("word " * (LONGEST // 4), "too-long"),
        ("Please call take_off with 30", "names-function"),
        ("take_off(30)", "names-function"),
        ('Do {"height": 30}', "names-function"),
        (f"Use key sk-{'proj-abcdefghijklmnopqrstuvwx0123'} and take off", "secret"),
        ("Take off and write to anna.meier@firma-meier.de", "secret"),
        ("Bitte starte und steige auf die Höhe von dreißig Metern", "language"),
        ("Пожалуйста, взлети на тридцать метров", "language"),
    ],
)
def test_words_in_no_fit_form_are_dropped_with_their_reason(text: str, reason: str) -> None:
    assert reasons(Screen(), asked(text)) == [reason]


def test_a_function_with_the_name_of_a_word_may_be_named_as_a_word() -> None:
    assert reasons(Screen(), asked("Search for the keys", name="search")) == []
    assert reasons(Screen(), asked("search('keys')", name="search")) == ["names-function"]


def test_an_address_that_is_a_value_of_the_answer_is_no_secret() -> None:
    address = "anna.meier@firma-meier.de"
    assert reasons(Screen(), asked(f"Take off and write to {address}", to=address)) == []
    assert reasons(Screen(), asked("Write to someone@example.com")) == []


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Take off to fifty metres and wait for me"),
        ("de", "Bitte schalte das Licht aus und komm nach Hause"),
        ("fr", "Éteins la lumière s'il te plaît et monte avec nous"),
        ("es", "Apaga las luces por favor y sube hasta aquí"),
        ("it", "Spegni le luci per favore e vai indietro con me"),
        ("pt", "Apague as luzes por favor e suba até aqui com você"),
        ("nl", "Doe het licht uit alsjeblieft en kom naar huis"),
        ("ru", "Выключи свет и взлети"),
        ("ja", "ライトを消してください"),
        ("zh", "请起飞到五十米"),
        ("ko", "불을 꺼 주세요"),
        ("ar", "أطفئ الأنوار من فضلك"),
        ("el", "Σβήσε τα φώτα"),
    ],
)
def test_a_language_is_told_from_english_and_taken_for_itself(language: str, text: str) -> None:
    assert other_language(text, language) is None
    assert (other_language(text, "en") is None) is (language == "en")
    if language != "en":
        assert other_language("Please turn the lights off and come back to me", language) is not None


@pytest.mark.parametrize("text", ["left 15", "Lights", "SOS", "RTH", "Café", "12"])
def test_a_short_request_without_evidence_passes(text: str) -> None:
    assert all(other_language(text, language) is None for language in ("en", "de", "fr"))


def test_requests_of_people_pass_in_the_languages_that_they_are_in() -> None:
    lines = [
        line for name in ("train", "evaluation") for line in (DRONE / f"{name}.jsonl").read_text().splitlines()
    ]
    texts = [json.loads(line)["messages"][1]["content"] for line in lines]
    assert [text for text in texts if other_language(text, "en")] == []


def test_a_request_of_another_file_is_a_leak_and_its_place_is_named() -> None:
    screen = Screen([DRONE / "evaluation.jsonl"])
    call = Call("takeoff_drone", {"altitude": 50})
    target = Target("t", Kind.CALL, Style.DIRECT, (call,), "c")
    for text in ("Take off the drone to 50 meters", "please take off the drone to 50 meters!"):
        (drop,) = screen.faults(Written(target, text))
        assert (drop.reason, "evaluation.jsonl:1" in drop.detail) == ("leak", True)
    near = "Mind bringing her down on the helipad at 40.7128 N, 74.0060 W today?"
    arguments = {"location": "custom", "coordinates": {"latitude": 40.7128, "longitude": -74.006}}
    landing = Target("t", Kind.CALL, Style.DIRECT, (Call("land_drone", arguments),), "c")
    assert [drop.reason for drop in screen.faults(Written(landing, near))] == ["leak"]


def test_a_request_like_one_of_another_file_with_another_answer_is_none() -> None:
    screen = Screen([DRONE / "evaluation.jsonl"])
    target = Target("t", Kind.CALL, Style.DIRECT, (Call("takeoff_drone", {"altitude": 60}),), "c")
    assert screen.faults(Written(target, "Take off the drone to 60 meters")) == []


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataFileNotFound):
        Screen([tmp_path / "none.jsonl"])


def test_thousands_of_requests_take_seconds() -> None:
    screen = Screen()
    started = time.process_time()
    for i in range(3_000):
        written = asked(f"Fly over field {i} at {i % 90} metres for the farmer named {i * 7919 % 9973}", height=i)
        assert screen.faults(written) == []
        screen.add(written)
    assert time.process_time() - started < 5
