"""Attempts of one training until one of them ends it: each is a program, started once under its key.

The intent is on the disk first: the file `attempt` names the attempt that counts before its program is started. An
answer that leaves it open whether a program was started is looked up by the key. If nothing is found, the next
attempt takes its place, and a program that starts late all the same reads the file and leaves. So a lost answer, a
lost head and a dead worker cost what was learned since the last state, and nothing of a replaced attempt is used.
"""

from __future__ import annotations

import errno
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.server.launchers.children import FAREWELL_SECONDS, last_output
from orchestrator.server.launchers.interface import (
    MEMORY_RAN_OUT,
    NOT_SHARED,
    PEER_LOST,
    Launcher,
    LaunchError,
    Phase,
    Program,
    State,
    UnreachableError,
)
from orchestrator.server.trainers.interface import Report, TrainingFailedError
from orchestrator.server.trainers.lora.events import Event
from orchestrator.server.trainers.lora.failures import MEMORY_ADVICE, needs_packages
from orchestrator.server.trainers.lora.folder import DISK_FAILED, LEFT, Attempt, Limits, TrainingFolder, is_complete
from orchestrator.server.trainers.lora.following import Follower

PROGRAM = "orchestrator.server.trainers.lora.training.program"
LOOK_SECONDS = 0.1
"""Between two looks for new events."""
STOP_SECONDS = 20.0
"""The time that the program gets to finish its step and write its state once it is told to stop."""
RETRY_SECONDS = 5.0
"""Between an attempt that was lost and the next; twice as long after each that the launcher refused, in a row."""
REFUSALS = 6
"""A training that was refused so often in a row has failed: two minutes have passed."""
QUIET_SECONDS = 12.0
"""A program whose heartbeat stayed the same for this long, by this machine's clock, has ended."""
LONGEST_FAREWELL = 120.0
"""How long the next attempt waits for a replaced one to leave the GPU."""
_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What somebody sends, and no program gets for its own mistakes."""


class _MemoryRanOut(Exception):
    """The kernel ended the program because the machine, or its control group, had no memory left."""

    def __init__(self, plan: Event | None) -> None:
        super().__init__(plan)
        self.plan = plan


class _Lost(Exception):
    """The launcher lost the program; the message says how."""

    def __init__(self, message: str, refusal: str = "") -> None:
        super().__init__(message)
        self.refusal = refusal
        """What the launcher answered when the program should have started."""


@dataclass(frozen=True)
class Attempts:
    """The attempts of one training."""

    folder: TrainingFolder
    launcher: Launcher
    report: Report
    processes: int = 1
    reads: Sequence[Path] = ()
    """Folders outside of the training's that the program reads."""

    def weights(self) -> Path:
        """Train and return the folder of the final weights.

        Raises OSError if the machine ended the program, and not the training itself: it may be tried again.
        """
        attempt, limits, refusals = self._left_running(), Limits(), 0
        while True:
            try:
                return self._followed(attempt) if attempt is not None else self._tried(limits)
            except _MemoryRanOut as error:
                limits = tighter(error.plan)
                self.report.note(_again_with(limits))
            except _Lost as error:
                refusals = refusals + 1 if error.refusal else 0
                if refusals == REFUSALS:
                    raise TrainingFailedError(f"Ray could not start the training: {error.refusal}") from error
                self.report.note(f"{error}; the training continues in a new attempt")
                self._wait(RETRY_SECONDS * 2 ** max(0, refusals - 1))
            attempt = self._left_running()

    def _left_running(self) -> Attempt | None:
        """The attempt that counts, if its program may still run or has a result; an earlier process of ours may
        have started it."""
        number = self.folder.current_attempt()
        if not self.launcher.outlives or number == 0:
            return None
        attempt = self.folder.attempt(number)
        result = attempt.result()
        # A process that died before it recorded the weights may have taken them.
        if result is not None and result["status"] == "succeeded" and not is_complete(attempt.model):
            return None
        if result is not None:
            return attempt
        with suppress(UnreachableError):
            return attempt if self.launcher.look(self._key(attempt)).phase.is_active else None
        return attempt

    def _tried(self, limits: Limits) -> Path:
        """Begin an attempt and follow it. The ones before it have lost the folder before this one gets it."""
        before = self.folder.attempts()
        attempt = self.folder.begin_attempt(limits)
        if self.launcher.outlives and before:
            self._let_go(before[-1])
        program = Program(
            module=PROGRAM,
            arguments=["train", str(self.folder.path), str(attempt.number)],
            folder=self.folder.path,
            log=attempt.log,
            probe=attempt.owner,
            processes=self.processes,
            reads=self.reads,
        )
        with suppress(UnreachableError):  # `look` tells whether it was started all the same
            self.launcher.start(self._key(attempt), program)
        return self._followed(attempt)

    def _followed(self, attempt: Attempt) -> Path:
        """Report the attempt to its end; returns its weights, or raises what it ended with."""
        key, follower = self._key(attempt), Follower(self.folder, attempt, self.report)
        try:
            state = self._awaited(attempt, follower)
        except BaseException:
            self.folder.stop.touch()
            with suppress(UnreachableError, LaunchError):
                self.launcher.look(key, STOP_SECONDS)
            raise
        finally:
            with suppress(UnreachableError, LaunchError):
                self.launcher.stop(key, FAREWELL_SECONDS)
        return self._outcome(attempt, state, follower)

    def _awaited(self, attempt: Attempt, follower: Follower) -> State:
        """The state in which the attempt ended, with all its events reported. While the launcher can't be reached,
        the folder alone says what happens."""
        is_silent = False
        while True:
            has_result = self.launcher.outlives and attempt.result() is not None
            try:
                state = self.launcher.look(self._key(attempt), STOP_SECONDS if has_result else LOOK_SECONDS)
                is_silent = False
            except UnreachableError as error:
                state = State(Phase.RUNNING)
                if not is_silent:
                    self.report.note(f"{error}. The training goes on if it runs, and is followed by its folder")
                is_silent = True
                time.sleep(LOOK_SECONDS)
            follower.tell_new()
            if has_result or not state.phase.is_active:
                return state

    def _outcome(self, attempt: Attempt, state: State, follower: Follower) -> Path:
        """The folder of the final weights; raises what the program ended with otherwise."""
        if self.folder.current_attempt() != attempt.number:
            raise _replaced()
        result = attempt.result()
        if result is not None and result["status"] == "succeeded":
            return attempt.model
        if result is not None and "missing" in result:
            raise TrainingFailedError(needs_packages(self.launcher.python, result["missing"]))
        if result is not None:
            raise TrainingFailedError(result["message"])
        if state.phase is Phase.ENDED and state.status == MEMORY_RAN_OUT:
            raise _MemoryRanOut(follower.plan)
        if state.phase in (Phase.UNKNOWN, Phase.LOST):
            raise self._loss(attempt, state)
        if state.phase is Phase.STOPPED:
            raise TrainingFailedError(
                f"Somebody stopped {self._key(attempt)} in Ray. Create the job again to train it."
            )
        raise ending(state.status, attempt.log, state.message)

    def _loss(self, attempt: Attempt, state: State) -> Exception:
        """A program that never began, or that kept something, is worth another attempt at once. One that was lost
        without a trace of progress counts as a death of this process, which are limited."""
        words = " ".join(state.message.split())[:300]
        if state.phase is Phase.UNKNOWN:
            if words:
                return _Lost(f"Ray did not start {self._key(attempt)} ({words})", refusal=words)
            return _Lost(f"Ray knows no {self._key(attempt)}, as after a restart of its head")
        if not attempt.heartbeat.exists() or attempt.states() or attempt.checkpoints():
            return _Lost(f"Ray lost {self._key(attempt)} ({words})")
        return OSError(errno.EINTR, f"Ray lost {self._key(attempt)} before it got anywhere: {words}")

    def _let_go(self, attempt: Attempt) -> None:
        """Stop a replaced attempt and wait until it has left its GPU. Its times are another machine's, so that only
        changes count."""
        with suppress(UnreachableError, LaunchError):
            self.launcher.stop(self._key(attempt), LONGEST_FAREWELL)
            if self.launcher.look(self._key(attempt)).phase is not Phase.UNKNOWN:
                return
        began = changed = time.monotonic()
        beat = attempt.last_beat()
        while beat is not None and time.monotonic() - changed < QUIET_SECONDS:
            if attempt.has_left or time.monotonic() - began > LONGEST_FAREWELL:
                return
            self._wait(1.0)
            if (now := attempt.last_beat()) != beat:
                beat, changed = now, time.monotonic()

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.report.waiting()
            time.sleep(0.5)

    def _key(self, attempt: Attempt) -> str:
        return f"{self.folder.path.name}-{attempt.number}"


def tighter(plan: Event | None) -> Limits:
    """What to try after this plan didn't fit: smaller micro-batches down to one row, then gradient checkpointing.

    Raises TrainingFailedError if neither is left.
    """
    if plan is None:
        raise TrainingFailedError(
            "The machine's memory ran out while the base model was loaded, and the kernel ended the training. "
            "Choose a smaller base model, or free memory."
        )
    tokens, longest = plan["tokens"], plan["longest"]
    if tokens > longest:
        return Limits(max(longest, tokens // 2), plan["is_checkpointing"])
    if plan["may_checkpoint"] and not plan["is_checkpointing"]:
        return Limits(tokens, must_checkpoint=True)
    raise TrainingFailedError(
        f"The machine's memory ran out with a single example of {longest:,} tokens at a time, and the kernel ended "
        f"the training. {MEMORY_ADVICE}"
    )


def ending(status: int, log: Path, said: str = "") -> Exception:
    """What a program that ended with this status, and without a result, stands for."""
    output = last_output(log)
    status = status if status <= 128 else 128 - status
    if status == LEFT:
        return _replaced()
    if status == DISK_FAILED:
        return OSError(errno.EIO, f"The training could not read or write beside {log}: {output}")
    if status == NOT_SHARED:
        return TrainingFailedError(
            f"The worker could not find what it needs: {said.strip().splitlines()[-1] if said.strip() else log}. "
            "The storage and the base model must be at the same path on this machine and on every worker."
        )
    if status == PEER_LOST:
        return OSError(errno.EPIPE, f"A process of the training ended and took the others along: {output}")
    if -status in _SIGNALS:
        return OSError(errno.EINTR, f"The training program was ended by {signal.Signals(-status).name}: {output}")
    how = f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
    if not log.exists() and said:
        output = said.strip()[-1_500:]
    return TrainingFailedError(f"The training program ended {how}. Its last output: {output}")


def _replaced() -> OSError:
    return OSError(errno.EAGAIN, "Another process continues this training, or it was told to stop")


def _again_with(limits: Limits) -> str:
    how = "gradient checkpointing and " if limits.must_checkpoint else ""
    return (
        "The machine's memory ran out and the kernel ended the program; training continues with "
        f"{how}micro-batches of at most {limits.most_tokens:,} tokens"
    )
