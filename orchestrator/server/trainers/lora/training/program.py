"""The program that runs in the trainer's Python:

    PYTHON -m orchestrator.server.trainers.lora.training.program check|train FOLDER ATTEMPT

It knows the folder only (see `folder.py`), and ends when its standard input does. `check` imports no torch.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from orchestrator.errors import FtorchError
from orchestrator.server.launchers.interface import PEER_LOST
from orchestrator.server.trainers.interface import TrainingFailedError
from orchestrator.server.trainers.lora.folder import DISK_FAILED, LEFT, TrainingFolder, put_json
from orchestrator.server.trainers.lora.job import written_job
from orchestrator.server.trainers.lora.lifeline import end_with_parent
from orchestrator.server.trainers.lora.training.fence import Fence, Left, SilentFence, beat
from orchestrator.server.trainers.lora.training.ranks import PeerLost, launched, rank


def main(command: str, path: str, number: str) -> int:
    """The exit status: 0 with a result in the folder, LEFT without one, DISK_FAILED if it could not be written."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = TrainingFolder(Path(path))
    try:
        return check(folder) if command == "check" else train(folder, int(number))
    except Left as reason:
        print(f"left: {reason}", flush=True)
        with suppress(OSError):
            folder.attempt(int(number)).leave()
        return LEFT
    except PeerLost as error:
        print(f"another process of this training ended: {error}", flush=True)
        return PEER_LOST
    except OSError:
        traceback.print_exc()
        return DISK_FAILED


def check(folder: TrainingFolder) -> int:
    """Write to `check.json` whether every row can be trained on."""
    try:
        from orchestrator.server.trainers.lora.training.checking import check as found

        put_json(folder.checked, found(written_job(folder)))
    except ModuleNotFoundError as error:
        put_json(folder.checked, {"missing": _package(error)})
    except (TrainingFailedError, FtorchError) as error:
        put_json(folder.checked, {"failed": str(error)})
    return 0


def train(folder: TrainingFolder, number: int) -> int:
    """Train as the attempt of this number, in as many processes as the job asks for; the result is in its
    folder."""
    attempt = folder.attempt(number)
    is_peer = "RANK" in os.environ
    fence = SilentFence(folder, attempt) if rank() else Fence(folder, attempt)
    fence.hold()
    if rank() == 0:
        beat(attempt)
    try:
        job = written_job(folder)
        if job.options["num_processes"] > 1 and not is_peer:
            return launched(__spec__.name, ["train", str(folder.path), str(number)], job.options["num_processes"])
        from orchestrator.server.trainers.lora.training.run import run

        run(folder, attempt, job, fence)
    except (Left, PeerLost, OSError):
        raise
    except ModuleNotFoundError as error:
        fence.fail(missing=_package(error))
        return int(is_peer)
    except (TrainingFailedError, FtorchError) as error:
        fence.fail(message=str(error))
        return int(is_peer)  # so that the launcher ends the others
    except Exception as error:
        traceback.print_exc()
        fence.fail(message=_unexpected(error))
        return int(is_peer)
    return 0


def _package(error: ModuleNotFoundError) -> str:
    return (error.name or str(error)).split(".")[0]


def _unexpected(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    if "CUDA" in first or type(error).__name__ == "AcceleratorError":
        return (
            f"The GPU failed: {first}. Look at `nvidia-smi` and the system's log; once the GPU works again, create "
            "the job again."
        )
    return f"The training stopped with {type(error).__name__}: {first}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
