from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from support.surveys import asks, call, says, survey_of, tool, write_rows

from orchestrator.dataset.profile import leaks_between
from orchestrator.dataset.split import Split, split_file
from orchestrator.errors import DataFileEmpty, LineUnreadable, OutputExists, OutputIsSource, SplitLeavesNothing

TOOLS = [tool(name) for name in ("light", "lock", "open")]
Row = dict[str, Any]


def rows(light: int = 40, lock: int = 20, text: int = 40) -> list[Row]:
    asked = [asks(f"light {number}", call("light"), tools=TOOLS) for number in range(light)]
    locked = [asks(f"lock {number}", call("lock"), tools=TOOLS) for number in range(lock)]
    return asked + locked + [says(f"talk {number}", f"reply {number}", tools=TOOLS) for number in range(text)]


def split(tmp_path: Path, content: list[Row] | bytes, **options: Any) -> Split:
    source = tmp_path / "all.jsonl"
    source.write_bytes(content) if isinstance(content, bytes) else write_rows(source, content)
    chosen = {"validation": 0.1, "evaluation": 0.1, "seed": 0, "replace": False, **options}
    return split_file(source, tmp_path / "parts", **chosen)


def parts(tmp_path: Path) -> dict[str, list[bytes]]:
    return {path.stem: path.read_bytes().splitlines(keepends=True) for path in (tmp_path / "parts").iterdir()}


def test_every_answer_is_in_each_part_in_proportion(tmp_path: Path) -> None:
    done = split(tmp_path, rows())
    assert done.counts == {
        "light": {"training": 32, "validation": 4, "evaluation": 4},
        "(text)": {"training": 32, "validation": 4, "evaluation": 4},
        "lock": {"training": 16, "validation": 2, "evaluation": 2},
    }
    assert {name: len(lines) for name, lines in parts(tmp_path).items()} == {
        "train": 80,
        "validation": 10,
        "evaluation": 10,
    }


def test_what_rounding_leaves_of_many_rare_answers_makes_up_the_share_of_the_whole(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(10)]
    content = [asks(f"{name} {turn}", call(name), tools=[tool(name)]) for name in names for turn in range(5)]
    done = split(tmp_path, content)
    assert (done.examples("validation"), done.examples("evaluation")) == (5, 5)
    assert max(parts["evaluation"] for parts in done.counts.values()) == 1


def test_lines_keep_their_bytes_and_their_order(tmp_path: Path) -> None:
    lines = [json.dumps(row, separators=(" , ", " : ")).encode() for row in rows()]
    lines[3] = json.dumps(says("höher", "ja"), ensure_ascii=False).encode() + b"  "
    split(tmp_path, b"\xef\xbb\xbf" + b"\r\n".join([*lines[:50], b"", *lines[50:]]))
    found = parts(tmp_path).values()
    written = [line for part in found for line in part]
    assert Counter(written) == Counter([*(line + b"\r\n" for line in lines[:-1]), lines[-1] + b"\n"])
    for part in found:
        positions = [lines.index(line.rstrip(b"\r\n")) for line in part]
        assert positions == sorted(positions)


def test_the_same_seed_gives_the_same_split_and_another_another(tmp_path: Path) -> None:
    split(tmp_path, rows())
    first = parts(tmp_path)
    split(tmp_path, rows(), replace=True)
    assert parts(tmp_path) == first
    split(tmp_path, rows(), replace=True, seed=1)
    assert parts(tmp_path) != first


def test_equal_and_nearly_equal_prompts_stay_together(tmp_path: Path) -> None:
    words = [f"{first}{second}" for first in "abcdefghij" for second in "klmnopqrst"]
    base = [f"{word} {word}1 {word}2 {word}3 {word}4" for word in words]
    content = [asks(text, call("light"), tools=TOOLS) for text in base]
    content += [asks(f"{text} please", call("light"), tools=TOOLS) for text in base]
    content += [asks(text, call("lock"), tools=TOOLS) for text in base[:30]]
    done = split(tmp_path, content)
    assert done.kept_together == 230
    read = {
        name: survey_of([json.loads(line) for line in lines]).prompts for name, lines in parts(tmp_path).items()
    }
    assert min(map(len, read.values())) >= 15
    assert not list(leaks_between(read["train"], read["evaluation"]))
    assert not list(leaks_between(read["validation"], read["evaluation"]))


def test_an_answer_with_a_single_example_is_kept_to_train_on(tmp_path: Path) -> None:
    done = split(tmp_path, [*rows(), asks("open it", call("open"), tools=TOOLS)], validation=0.45, evaluation=0.45)
    assert done.counts["open"] == {"training": 1, "validation": 0, "evaluation": 0}


@settings(max_examples=25)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), min_size=1),
    st.floats(0, 0.45),
    st.floats(0.01, 0.45),
    st.integers(),
)
def test_nothing_is_lost_and_shares_are_met_whatever_is_asked(
    tmp_path_factory: pytest.TempPathFactory,
    counts: dict[str, int],
    validation: float,
    evaluation: float,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("split")
    content = [
        says(f"{name} {number}", name) if name == "f" else asks(f"{name} {number}", call(name), tools=[tool(name)])
        for name, count in counts.items()
        for number in range(count)
    ]
    try:
        done = split(folder, content, validation=validation, evaluation=evaluation, seed=seed)
    except SplitLeavesNothing:
        assert not (folder / "parts").exists()
        assert any(0 < share * len(content) < len(counts) + 1 for share in (validation, evaluation))
        return
    written = [line for lines in parts(folder).values() for line in lines]
    assert Counter(json.loads(line)["messages"][0]["content"] for line in written) == Counter(
        row["messages"][0]["content"] for row in content
    )
    for answer, found in done.counts.items():
        total = sum(found.values())
        assert found["training"] >= 1, answer
        assert found["validation"] <= total * validation + 1, answer
        assert found["evaluation"] <= total * evaluation + 1, answer


def about_image(number: int, url: str) -> Row:
    parts = [{"type": "text", "text": "Which bird is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    answer = {"role": "assistant", "content": ("wren", "robin")[number % 2]}
    return {"messages": [{"role": "user", "content": parts}, answer]}


def test_one_question_about_many_images_is_many_prompts(tmp_path: Path) -> None:
    content = [about_image(number, f"https://example.org/{number}.png") for number in range(40)]
    done = split(tmp_path, content)
    assert [done.examples(part) for part in ("training", "validation", "evaluation")] == [32, 4, 4]
    assert done.kept_together == 0


def test_a_split_that_would_leave_a_file_empty_is_refused_with_the_reason(tmp_path: Path) -> None:
    content = [about_image(0, "https://example.org/same.png") for _ in range(40)]
    with pytest.raises(SplitLeavesNothing, match=r"all\.jsonl: the .* file would be empty. The 40 .* form 1 group"):
        split(tmp_path, content)
    assert not (tmp_path / "parts").exists()


def test_a_share_of_0_writes_no_file(tmp_path: Path) -> None:
    assert set(split(tmp_path, rows(), validation=0.0).targets) == {"training", "evaluation"}
    assert set(parts(tmp_path)) == {"train", "evaluation"}


def test_nothing_is_replaced_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "evaluation.jsonl").write_text("mine")
    with pytest.raises(OutputExists):
        split(tmp_path, rows())
    assert parts(tmp_path) == {"evaluation": [b"mine"]}


def test_the_file_itself_is_never_replaced(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "train.jsonl", rows())
    before = source.read_bytes()
    with pytest.raises(OutputIsSource):
        split_file(source, tmp_path, validation=0.1, evaluation=0.1, seed=0, replace=True)
    assert source.read_bytes() == before


def test_a_line_with_an_error_stops_it_before_anything_is_written(tmp_path: Path) -> None:
    content = "\n".join([*map(json.dumps, rows()), '{"messages": []}']).encode()
    with pytest.raises(LineUnreadable, match="line 101: the list of messages is empty"):
        split(tmp_path, content)
    with pytest.raises(DataFileEmpty):
        split(tmp_path, b"\n\n")
    assert not (tmp_path / "parts").exists()
