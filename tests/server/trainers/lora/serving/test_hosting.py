"""Host processes: started when asked, shared, restarted once, and ended when nobody asks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from orchestrator.server.trainers.interface import Answer, AnswerError, Question, ToolCall
from orchestrator.server.trainers.lora.serving import hostprocess
from orchestrator.server.trainers.lora.serving.hosting import Hosts


def ask(content: str = "Hello", **more: Any) -> Question:
    return Question([{"role": "user", "content": content}], **more)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


# --- Asking -----------------------------------------------------------------------------------------------------


def test_a_question_and_its_answer_arrive_whole(hosts, base, weights) -> None:
    handle = hosts(
        """
        for request in requests:
            seen = {key: request[key] for key in ("op", "weights", "constrained", "question")}
            answer(request, None, calls=[{"name": "f", "arguments": seen}], is_cut=True, completion_tokens=7)
        """
    ).handle(weights, base)
    question = ask(
        "Höhe 5\u2028\ud800",
        tools=({"name": "f"},),
        choice="f",
        parallel=False,
        max_tokens=3,
        temperature=0.5,
        top_p=0.9,
        seed=2**70,
        stops=("x",),
    )
    answer = handle.answer(question)
    assert isinstance(answer, Answer)
    assert (answer.content, answer.is_cut, answer.completion_tokens) == (None, True, 7)
    [call] = answer.calls
    assert isinstance(call, ToolCall)
    seen = dict(call.arguments)
    assert (seen["op"], seen["weights"], seen["constrained"]) == ("answer", str(weights), True)
    assert seen["question"] == {
        "messages": [{"role": "user", "content": "Höhe 5\u2028\ud800"}],
        "tools": [{"name": "f"}],
        "choice": "f",
        "parallel": False,
        "max_tokens": 3,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 2**70,
        "stops": ["x"],
    }


def test_free_decoding_reaches_the_host(hosts, base) -> None:
    body = "for request in requests:\n    answer(request, str(request['constrained']))\n"
    assert hosts(body, constrained=False).handle(None, base).answer(ask()).content == "False"


def test_tokens_of_a_prompt_are_asked_for(hosts, base, weights) -> None:
    body = """
    for request in requests:
        assert request["op"] == "tokenize" and request["tools"] == [] and request["parallel"] is None
        send(id=request["id"], tokens=[len(request["messages"]), 5])
    """
    assert hosts(body).handle(weights, base).tokenize([{"role": "user", "content": "Hello"}], []) == [1, 5]


def test_an_error_of_the_host_is_raised(hosts, base) -> None:
    body = "for request in requests:\n    send(id=request['id'], error='The prompt is too long.')\n"
    with pytest.raises(AnswerError, match=r"^The prompt is too long\.$"):
        hosts(body).handle(None, base).answer(ask())


# --- One process ------------------------------------------------------------------------------------------------


def test_nothing_starts_before_the_first_question(hosts, base, weights, started) -> None:
    made = hosts()
    made.handle(weights, base)
    made.handle(None, base)
    assert started() == []


def test_threads_and_models_of_one_base_share_a_process_and_get_their_own_answers(
    hosts, base, weights, started
) -> None:
    made = hosts(
        """
        held = []
        for request in requests:
            held.append(request)
            if len(held) == 8:  # all at once, and in another order than they came
                for each in reversed(held):
                    answer(each, each["question"]["messages"][0]["content"])
        """
    )
    handles = [made.handle(weights if number % 2 else None, base) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: handles[number].answer(ask(str(number))).content, range(8)))
    assert answers == [str(number) for number in range(8)]
    assert len(started()) == 1


def test_the_process_outlives_the_thread_that_asked_first(hosts, base, started) -> None:
    handle = hosts().handle(None, base)
    first = threading.Thread(target=handle.answer, args=(ask(),))
    first.start()
    first.join()
    time.sleep(0.2)
    handle.answer(ask())
    assert len(started()) == 1


def test_the_process_gets_none_of_the_users_keys(hosts, base, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-" + "secret")
    body = "for request in requests:\n    answer(request, json.dumps(dict(os.environ)))\n"
    environment = hosts(body).handle(None, base).answer(ask()).content
    assert "secret" not in environment
    assert '"OMP_WAIT_POLICY": "PASSIVE"' in environment


# --- Deaths -----------------------------------------------------------------------------------------------------


def test_a_question_of_a_process_that_died_is_asked_again(hosts, base, started) -> None:
    handle = hosts(
        """
        for request in requests:
            if start == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            answer(request, "alive")
        """
    ).handle(None, base)
    assert handle.answer(ask()).content == "alive"
    assert len(started()) == 2


def test_a_process_that_dies_again_ends_the_question_with_its_log(hosts, base, started) -> None:
    handle = hosts(
        """
        for request in requests:
            print("a line of the log", file=sys.stderr)
            sys.exit(3)
        """
    ).handle(None, base)
    with pytest.raises(AnswerError, match=r"(?s)small ended twice: it exited with status 3\..*a line of the log"):
        handle.answer(ask())
    assert len(started()) == 2


def test_a_process_that_was_killed_for_its_memory_says_so(hosts, base, monkeypatch) -> None:
    kills = iter(range(100))
    monkeypatch.setattr(hostprocess, "kills_for_memory", lambda: next(kills))
    body = "for request in requests:\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    with pytest.raises(AnswerError, match="memory ran out, and the system killed it"):
        hosts(body).handle(None, base).answer(ask())


def test_a_missing_package_is_named_with_the_command_that_installs_it(hosts, base, started) -> None:
    with pytest.raises(AnswerError, match=r"has no torch. Run: .*python -m pip install"):
        hosts("send(missing='torch')").handle(None, base).answer(ask())
    assert len(started()) == 1


def test_a_model_that_cannot_be_loaded_is_not_tried_twice(hosts, base, started) -> None:
    with pytest.raises(AnswerError, match="small can't answer: It holds no language model"):
        hosts("send(failed='It holds no language model.')").handle(None, base).answer(ask())
    assert len(started()) == 1


def test_a_python_that_is_not_there_is_named(tmp_path, base) -> None:
    hosts = Hosts("/nowhere/python", tmp_path / "hosts")
    with pytest.raises(AnswerError, match="/nowhere/python can't be started: No such file"):
        hosts.handle(None, base).answer(ask())


def test_this_python_without_torch_says_what_to_install(tmp_path, base) -> None:
    """The real program, in a Python that has none of its packages."""
    hosts = Hosts(sys.executable, tmp_path / "hosts")
    try:
        with pytest.raises(AnswerError, match=r"has no (torch|numpy|transformers).* Run: "):
            hosts.handle(None, base).answer(ask())
    finally:
        hosts.close()


# --- Models that changed ----------------------------------------------------------------------------------------


def test_a_deleted_adapter_is_refused(hosts, base, weights, started) -> None:
    made = hosts()
    handle = made.handle(weights, base)
    shutil.rmtree(weights)
    with pytest.raises(AnswerError, match="The weights of this model are gone"):
        handle.answer(ask())
    with pytest.raises(AnswerError, match="The weights of this model are gone"):
        made.handle(weights, base)
    assert started() == []


def test_an_adapter_of_another_base_is_refused_and_the_new_base_answers(hosts, base, weights, started) -> None:
    made = hosts()
    handle = made.handle(weights, base)
    handle.answer(ask())
    (base.folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + b"other weights")
    with pytest.raises(AnswerError, match=r"small in .* has changed since this model was trained on it"):
        handle.answer(ask())
    first, second = (int(made.handle(None, base).answer(ask()).content.split()[0]) for _ in range(2))
    assert first == second == started()[1]
    wait_until(lambda: not is_alive(started()[0]))


def test_a_base_that_is_gone_is_named(hosts, base) -> None:
    handle = hosts().handle(None, base)
    shutil.rmtree(base.folder)
    with pytest.raises(AnswerError, match="The base model small can't be read"):
        handle.answer(ask())


def test_weights_that_name_no_base_are_refused(hosts, base, weights) -> None:
    (weights / "model.json").write_text("{}")
    with pytest.raises(AnswerError, match="don't say which base model they belong to"):
        hosts().handle(weights, base).answer(ask())


# --- The end ----------------------------------------------------------------------------------------------------


def test_an_idle_process_ends_and_the_next_question_starts_another(hosts, base, started) -> None:
    handle = hosts(idle_seconds=0.2).handle(None, base)
    handle.answer(ask())
    [first] = started()
    wait_until(lambda: not is_alive(first))
    handle.answer(ask())
    assert len(started()) == 2


def test_a_process_that_is_answering_is_not_idle(hosts, base, started) -> None:
    body = "for request in requests:\n    time.sleep(0.6)\n    answer(request, 'late')\n"
    assert hosts(body, idle_seconds=0.2).handle(None, base).answer(ask()).content == "late"
    assert len(started()) == 1


def test_closing_ends_processes_and_questions(hosts, base, started) -> None:
    made = hosts("for request in requests:\n    pass\n")
    handle = made.handle(None, base)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(handle.answer, ask())
        wait_until(lambda: len(started()) == 1)
        made.close()
        with pytest.raises(AnswerError):
            waiting.result()
    assert not is_alive(started()[0])
    with pytest.raises(AnswerError, match="the server is ending"):
        handle.answer(ask())


def test_a_host_ends_with_a_server_that_is_killed(tmp_path, python, base, started) -> None:
    code = f"""
import sys
from pathlib import Path
from orchestrator.server.trainers.interface import Base, Question
from orchestrator.server.trainers.lora.serving.hosting import Hosts
handle = Hosts({python("for request in requests: time.sleep(60)")!r}, Path({str(tmp_path / "hosts")!r}))
handle.handle(None, Base("small", Path({str(base.folder)!r}))).answer(Question([]))
"""
    server = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[4])
    wait_until(lambda: len(started()) == 1)
    server.send_signal(signal.SIGKILL)
    server.wait()
    wait_until(lambda: not is_alive(started()[0]))


def test_a_long_log_begins_again(hosts, base, tmp_path) -> None:
    handle = hosts("print('hello', file=sys.stderr)\n" + "for request in requests:\n    sys.exit(0)\n").handle(
        None, base
    )
    log = next(iter((tmp_path / "hosts").glob("*.log")), None)
    assert log is None
    with pytest.raises(AnswerError):
        handle.answer(ask())
    [log] = (tmp_path / "hosts").glob("small-*.log")
    assert log.read_text() == "hello\nhello\n"
    log.write_bytes(b"x" * (hostprocess.LOG_BYTES + 1))
    with pytest.raises(AnswerError):
        handle.answer(ask())
    assert log.read_text() == "hello\nhello\n"
