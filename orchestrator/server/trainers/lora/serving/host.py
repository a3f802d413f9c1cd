"""The process that answers for one base model and its adapters.

PYTHON -m orchestrator.server.trainers.lora.serving.host FOLDER

It reads requests from standard input and writes replies to standard output, as `wire.py` describes; everything else
that is printed goes to the log. It ends when its input is closed, and with its parent.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.server.trainers.lora.lifeline import die_with_parent
from orchestrator.server.trainers.lora.serving.wire import Message, line_of, message_of


class Replies:
    """Writes replies as lines."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def send(self, message: Mapping[str, Any]) -> None:
        self._stream.write(line_of(message))
        self._stream.flush()


def main(folder: str) -> int:
    """Serve until the input is closed; the exit status if the process can't go on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    replies = Replies(os.fdopen(os.dup(1), "wb"))
    # What libraries print must not come between the replies.
    os.dup2(2, 1)
    requests: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), name="requests", daemon=True).start()
    desk = _opened(Path(folder), replies)
    return 1 if desk is None else int(desk.serve(requests))


def _read(requests: queue.SimpleQueue[Message]) -> None:
    for line in sys.stdin.buffer:
        requests.put(message_of(line))
    os._exit(0)


def _opened(folder: Path, replies: Replies) -> Any:
    """The desk; None if the model can't be loaded, which has been replied."""
    try:
        from orchestrator.server.trainers.lora.serving.desk import Desk, open_base

        base = open_base(folder)
    except ModuleNotFoundError as error:
        replies.send({"missing": error.name or str(error)})
        return None
    except MemoryError as error:
        replies.send({"failed": f"The model in {folder} doesn't fit in memory: {error}"})
        return None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first = str(error).strip().split("\n")[0]
        replies.send({"failed": f"The model in {folder} can't be loaded: {first}"})
        return None
    replies.send({"ready": base.description})
    return Desk(base, replies.send)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
