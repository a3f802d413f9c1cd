from __future__ import annotations

import time
from pathlib import Path

import pytest

from orchestrator.errors import TomlSyntaxError, TomlUnreadable
from orchestrator.tomlsource import TomlSource, read_toml


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "some.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder: Path, text: str | bytes) -> TomlSource:
    return read_toml(write(folder, text))


def test_every_table_and_key_has_its_line(tmp_path: Path) -> None:
    source = read(tmp_path, 'name = "x"\n\n[data]\n# a note\ntraining_file = "t"\n[method.grader]\ntype = "y"\n')
    assert source.lines == {
        ("name",): 1,
        ("data",): 3,
        ("data", "training_file"): 5,
        ("method",): 6,
        ("method", "grader"): 6,
        ("method", "grader", "type"): 7,
    }


def test_a_table_stands_where_its_header_is_even_after_a_table_within_it(tmp_path: Path) -> None:
    source = read(tmp_path, "[method.grader]\na = 1\n[method]\nb = 2\n")
    assert source.line("method") == 3


def test_keys_in_long_texts_and_arrays_are_no_keys(tmp_path: Path) -> None:
    text = '''note = """
[method]
beta = 1 \\"""
"""
more = \'\'\'
seed = 1
\'\'\'
list = [
  ["data"], # ]
  [1],
  {inner = 1},
]
beta = 2
'''
    source = read(tmp_path, text)
    assert source.lines == {("note",): 1, ("more",): 5, ("list",): 8, ("beta",): 13}


@pytest.mark.parametrize(
    "value", ['\'"""\'', '"#"', "\"'''\"", '"[{"', '"\\""', "1 # \"\"\" '''", '"\u2028\u0085"']
)
def test_a_value_does_not_shift_the_lines_after_it(tmp_path: Path, value: str) -> None:
    source = read(tmp_path, f"first = {value}\nsecond = 2\n")
    assert source.line("second") == 2


def test_dotted_and_quoted_keys_are_found(tmp_path: Path) -> None:
    source = read(tmp_path, 'data . training_file = "x"\n"odd \\" key" = 1\n["a.b".\'c\']\nd = 1\n')
    assert source.line("data", "training_file") == 1
    assert source.line('odd " key') == 2
    assert source.line("a.b", "c", "d") == 4


def test_a_key_of_an_inline_table_stands_on_the_line_of_the_table(tmp_path: Path) -> None:
    source = read(tmp_path, 'name = "x"\nmethod = { type = "dpo", beta = 9 }\n')
    assert source.place("method", "beta") == f"{tmp_path}/some.toml:2"


def test_a_key_that_is_not_there_stands_where_its_table_is(tmp_path: Path) -> None:
    source = read(tmp_path, "\n[data]\n")
    assert source.line("data", "training_file") == 2
    assert source.line("model") == 0
    assert source.place("model") == f"{tmp_path}/some.toml"


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    source = read(tmp_path, b"\xef\xbb\xbfa = 1\r\n[b]\r\nc = 2\r\n")
    assert source.data == {"a": 1, "b": {"c": 2}}
    assert source.line("b", "c") == 3


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a = 1\nb = \n", 2, "b has no value; give it one, or take the line out"),
        ('a = 1\nb = "open\nc = 1\n', 2, "an unclosed string"),
        ("a = 1\nb = 2\na = 3\n", 3, "this key was already set"),
        ("[a]\nb = 1\n[a]\n", 3, "[a] is there twice, first on line 1; keep one"),
        ('a = 1\nb = """open\n\n', 2, "Unterminated string"),
        ("name drone\n", 1, "there is no = between the key and its value"),
    ],
)
def test_a_syntax_error_names_its_line(tmp_path: Path, text: str, line: int, problem: str) -> None:
    with pytest.raises(TomlSyntaxError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == f"{tmp_path}/some.toml:{line}: this is not valid TOML: {problem}."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"a = 1\nb = '\xff'\n", "it is not UTF-8 text (byte 11)"),
        ("a = " + "1" * 5000, "4300 digits"),
        ("a = " + "[" * 5000, "recursion"),
    ],
)
def test_what_is_no_text_or_no_sane_value_is_refused_with_its_reason(
    tmp_path: Path, text: str | bytes, problem: str
) -> None:
    with pytest.raises(TomlUnreadable, match=r"some\.toml can't be read: ") as caught:
        read(tmp_path, text)
    assert problem in str(caught.value)


def test_a_folder_is_refused_and_an_absent_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(TomlUnreadable, match="Is a directory"):
        read_toml(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_toml(tmp_path / "none.toml")


def test_an_unknown_key_comes_with_the_nearest_known_one_or_all(tmp_path: Path) -> None:
    source = read(tmp_path, "[limits]\nmax_cost = 1\nzzz = 2\n[limits.x]\n")
    known = ["max_cost_usd", "other"]
    place = f"{tmp_path}/some.toml"
    near = source.unknown_key(("limits", "max_cost"), known)
    assert near == f'{place}:2: unknown key "max_cost" in [limits]; did you mean "max_cost_usd"?'
    far = source.unknown_key(("limits", "zzz"), known)
    assert far == f'{place}:3: unknown key "zzz" in [limits]; known here: max_cost_usd, other'
    assert source.unknown_key(("limits", "x"), known).startswith(f'{place}:4: unknown table "x" in [limits]')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("".join(f'key{n} = "value"\n' for n in range(200_000)), "it has more than 256 KiB"),
        ("a." * 50_000 + "a = 1\n", "it has a key with more than 16 parts"),
        (f"[{'a.' * 50_000}a]\n", "it has a key with more than 16 parts"),
        (f"x = {{{'a . ' * 50_000}a = 1}}\n", "it has a key with more than 16 parts"),
        ("x = {" + "'a'." * 40_000 + "a = 1}\n", "it has a key with more than 16 parts"),
    ],
    ids=["keys", "dots", "header", "inline", "quoted"],
)
def test_a_file_that_is_made_to_take_hours_is_refused_at_once(tmp_path, text, problem):
    path = tmp_path / "job.toml"
    path.write_text(text)
    started = time.process_time()
    with pytest.raises(TomlUnreadable, match=problem):
        read_toml(path)
    assert time.process_time() - started < 2


def test_dots_in_texts_are_no_keys(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text(f'x = "{"a." * 100}" # {"a." * 100}\ny = """\n{"a." * 100}"""\n')
    assert read_toml(path).lines == {("x",): 1, ("y",): 2}
