"""A training program without torch, with the real fence: ten steps a second, and a state after every fifth."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from orchestrator.server.trainers.interface import Step
from orchestrator.server.trainers.lora.folder import LEFT, TrainingFolder
from orchestrator.server.trainers.lora.lifeline import end_with_parent
from orchestrator.server.trainers.lora.training.fence import Fence, Left, beat

TOTAL = 50


def main(_command: str, path: str, number: str) -> int:
    end_with_parent()
    folder = TrainingFolder(Path(path))
    attempt = folder.attempt(int(number))
    fence = Fence(folder, attempt)
    fence.hold()
    beat(attempt)
    try:
        train(folder, fence)
    except Left:
        attempt.leave()
        return LEFT
    return 0


def train(folder: TrainingFolder, fence: Fence) -> None:
    found = folder.newest_state()
    done: list[int] = json.loads((found[1] / "state").read_bytes()) if found else []
    fence.say("from", step=len(done))
    fence.note(f"on GPU {os.environ.get('CUDA_VISIBLE_DEVICES')}")
    while len(done) < TOTAL:
        time.sleep(0.1)
        done.append(len(done) + 1)
        fence.step(Step(len(done), TOTAL, 1, 1.0 / len(done), 0.5))
        content = json.dumps(done).encode()
        if len(done) == TOTAL // 2:
            fence.checkpoint(Step(len(done), TOTAL, 1, 1.0 / len(done), 0.5), {"adapter": content})
        if len(done) % 5 == 0 or fence.must_stop():
            fence.state(len(done), {"state": content})
        if fence.must_stop():
            raise Left
    fence.finish({"adapter": content})


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
