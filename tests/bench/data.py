"""The check of training data against the bare loop that any check contains: parse each line, count its tokens.

Every way runs in a fresh process on the same generated files, one after the other. The files are made of tool calls
of a dozen services: their lists of tools repeat, as in data that an application writes, or every line has
definitions of its own, which no cache can help. One process is compared by CPU time, which other work on the
machine disturbs less; two processes over one by the clock.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MODEL = "gpt-4.1-mini"
SERVICES = 12
VOCABULARY = """
account address amount approve archive assign balance book branch cancel category change charge check city
claim close comment compare contact copy count country create currency customer date deliver describe device
discount document download draft email entry estimate event export fetch file filter find flight folder
forward friday group guest height history hotel import inform inspect invite invoice item join label
language later limit link list location lookup mark meeting member merge message monday month move name next
note notify number offer open order owner package page parcel pay pending person phone place plan please
price print product profile project quantity quick quote rate read receive refund region remind remove
rename repeat report request reserve reset resume return review room route save schedule search seat send
series share ship show sort start state status stock stop store street submit summary support sync table tag
task team ticket time title today total track transfer travel trip tuesday unit update upload urgent user
value verify view visit volume wait week weight yard
"""
WORDS = VOCABULARY.split()


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] in WAYS:
        print(json.dumps(WAYS[sys.argv[1]](Path(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        repeated, distinct, small = (Path(folder) / name for name in ("repeated", "distinct", "small"))
        write(repeated, options.megabytes << 20, distinct=False)
        write(distinct, options.megabytes << 18, distinct=True)
        write(small, 1 << 20, distinct=False)
        show("definitions repeat", repeated, options.rounds)
        show("every line has its own definitions", distinct, options.rounds)
        show_start_up(small, options.rounds)


# --- the ways that are compared ------------------------------------------------------------------------------


def bare(path: Path, remember: bool = False) -> dict[str, Any]:
    """Parse each line with orjson and count the tokens of its texts with rs-bpe, nothing else."""
    import orjson
    from rs_bpe import openai

    from orchestrator.dataset.tokens import rendered_functions

    watch = Watch()
    count = openai.o200k_base().count
    known: dict[bytes, int] = {}
    tokens = 0
    with path.open("rb") as lines:
        for line in lines:
            row = orjson.loads(line)
            tokens += sum(count(text) for text in texts(row["messages"]))
            key = orjson.dumps(row["tools"]) if remember else b""
            if key in known:
                tokens += known[key]
                continue
            with watch.paused():  # the texts to be counted are taken as given
                definitions = rendered_functions(row["tools"])
            found = count(definitions)
            tokens += found
            if remember:
                known[key] = found
    return watch.measured(tokens)


def remembering(path: Path) -> dict[str, Any]:
    """The bare loop, counting equal definitions once."""
    return bare(path, remember=True)


def cookbook(path: Path) -> dict[str, Any]:
    """The way of the notebooks: the standard library, checks and counts message by message in Python."""
    from rs_bpe import openai

    from orchestrator.dataset.tokens import rendered_functions

    watch = Watch()
    count = openai.o200k_base().count
    errors = dict.fromkeys(("data", "messages", "key", "role", "content", "assistant"), 0)
    tokens = 0
    with path.open(encoding="utf-8") as lines:
        dataset = [json.loads(line) for line in lines]
    for row in dataset:
        errors["data"] += not isinstance(row, dict)
        messages = row.get("messages")
        errors["messages"] += not messages
        for message in messages:
            errors["key"] += "role" not in message or not ("content" in message or "tool_calls" in message)
            errors["role"] += message.get("role") not in ("system", "user", "assistant", "tool", "function")
            errors["content"] += message.get("content") is None and not message.get("tool_calls")
        errors["assistant"] += not any(message.get("role") == "assistant" for message in messages)
        tokens += sum(3 + count(text) for text in texts(messages)) + count(rendered_functions(row["tools"]))
    return watch.measured(tokens)


def check(path: Path, processes: int = 1) -> dict[str, Any]:
    """The full check of ftorch."""
    from orchestrator.dataset.checking.checks import check_file

    watch = Watch()
    report = check_file(path, method=None, purpose="training", model=MODEL, processes=processes)
    assert report.ok, report.errors[:3]
    return watch.measured(report.tokens or 0)


def check_in_two(path: Path) -> dict[str, Any]:
    """The full check in two processes."""
    return check(path, processes=2)


WAYS = {
    "bare": bare,
    "remembering": remembering,
    "cookbook": cookbook,
    "check": check,
    "check-in-two": check_in_two,
}


def texts(messages: list[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        yield message["role"]
        if content := message.get("content"):
            yield content
        for call in message.get("tool_calls", ()):
            yield call["function"]["name"]
            yield call["function"]["arguments"]


class Watch:
    """Seconds by the clock and of this process's CPU."""

    def __init__(self) -> None:
        self.clock, self.cpu = time.perf_counter(), time.process_time()

    @contextmanager
    def paused(self) -> Iterator[None]:
        clock, cpu = time.perf_counter(), time.process_time()
        yield
        self.clock += time.perf_counter() - clock
        self.cpu += time.process_time() - cpu

    def measured(self, tokens: int) -> dict[str, Any]:
        peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        clock, cpu = time.perf_counter() - self.clock, time.process_time() - self.cpu
        return {"clock": clock, "cpu": cpu, "tokens": tokens, "megabytes": sum(peaks) / 1024}


# --- running and showing them --------------------------------------------------------------------------------


def show(title: str, path: Path, rounds: int) -> None:
    size = path.stat().st_size / 1e6
    print(f"\n{size:.0f} MB of tool calls, {title}")
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            found[way].append(run(way, path))
    clock, cpu = (
        {way: statistics.median(each[key] for each in results) for way, results in found.items()}
        for key in ("clock", "cpu")
    )
    print("   clock      CPU  peak memory")
    for way in WAYS:
        peak = max(each["megabytes"] for each in found[way])
        ratio = f"{cpu['bare'] / cpu[way]:6.2f} × bare" if way != "check-in-two" else ""
        print(f"{clock[way]:6.1f} s {cpu[way]:6.1f} s  {peak:6.0f} MB  {way:14}{ratio}")
    print(f"{clock['check'] / clock['check-in-two']:6.2f} × as fast in two processes as in one (at least 1.7)")


def show_start_up(path: Path, rounds: int) -> None:
    program = (
        "from orchestrator.dataset.checking.checks import check_file; from pathlib import Path; import sys; "
        f"print(check_file(Path(sys.argv[1]), method=None, purpose='training', model='{MODEL}').ok)"
    )
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program, path], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    print(f"\n{statistics.median(seconds):7.2f} s  1 MB checked by a fresh process (at most 0.5)")


def run(way: str, path: Path) -> dict[str, Any]:
    answer = subprocess.run(
        [sys.executable, __file__, way, path], check=True, capture_output=True, text=True
    ).stdout
    return dict(json.loads(answer))


# --- the files -----------------------------------------------------------------------------------------------


def write(path: Path, size: int, *, distinct: bool) -> None:
    rng = random.Random(7)
    services = [service(rng) for _ in range(SERVICES)]
    written = number = 0
    with path.open("w", encoding="utf-8") as lines:
        while written < size:
            number += 1
            system, tools = rng.choice(services)
            written += lines.write(
                json.dumps(example(rng, system, marked(tools, number) if distinct else tools)) + "\n"
            )


def service(rng: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """A system prompt and the 4 to 12 tools of one application."""
    return sentence(rng, rng.randint(20, 60)), [tool(rng, number) for number in range(rng.randint(4, 12))]


def tool(rng: random.Random, number: int) -> dict[str, Any]:
    names = rng.sample(WORDS, rng.randint(1, 5))
    properties = {name: parameter(rng) for name in names}
    required = [name for name in names if rng.random() < 0.6]
    return {
        "type": "function",
        "function": {
            "name": f"{rng.choice(WORDS)}_{rng.choice(WORDS)}_{number}",
            "description": sentence(rng, rng.randint(6, 20)),
            "parameters": {"type": "object", "properties": properties, "required": required},
        },
    }


def parameter(rng: random.Random) -> dict[str, Any]:
    described = {"description": sentence(rng, rng.randint(3, 9))}
    kind = rng.choice(("string", "integer", "boolean", "enum"))
    if kind == "enum":
        return {"type": "string", "enum": sorted(rng.sample(WORDS, rng.randint(2, 6))), **described}
    return {"type": kind, **described}


def marked(tools: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """The same tools, with descriptions that stand on no other line, of each function and each parameter."""
    text = json.dumps(tools).replace('."', f'. ({number})"')
    return list(json.loads(text))


def example(rng: random.Random, system: str, tools: list[dict[str, Any]]) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}]
    for turn in range(rng.randint(1, 3)):
        call = f"call_{turn}"
        function = rng.choice(tools)["function"]
        made = {"name": function["name"], "arguments": json.dumps(arguments(rng, function["parameters"]))}
        messages += [
            {"role": "user", "content": sentence(rng, rng.randint(8, 60))},
            {"role": "assistant", "tool_calls": [{"id": call, "type": "function", "function": made}]},
            {"role": "tool", "tool_call_id": call, "content": sentence(rng, rng.randint(3, 40))},
            {"role": "assistant", "content": sentence(rng, rng.randint(8, 40))},
        ]
    return {"messages": messages, "tools": tools}


def arguments(rng: random.Random, schema: dict[str, Any]) -> dict[str, Any]:
    given = {name for name in schema["properties"] if name in schema["required"] or rng.random() < 0.4}
    return {name: value(rng, part) for name, part in schema["properties"].items() if name in given}


def value(rng: random.Random, schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind = schema["type"]
    if kind == "integer":
        return rng.randrange(1000)
    return rng.random() < 0.5 if kind == "boolean" else sentence(rng, rng.randint(1, 6))


def sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words)).capitalize() + "."


if __name__ == "__main__":
    main()
