"""`resume --worker`: a process that stays, for systemd, Kubernetes or a terminal."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

import click

from orchestrator.api.workerhost import StopSignal
from orchestrator.cli.output import INTERRUPTED
from orchestrator.ledger import open_ledger

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
log = logging.getLogger("ftorch.worker")


def stay(host: str, port: int | None, *, log_json: bool) -> None:
    """Work until a signal ends it: the exit status is 0 after SIGTERM, which supervisors send, else 130. Raises
    MetricsMissing and AddressUnusable."""
    from orchestrator.api import health, metrics, worker
    from orchestrator.logs import log_to_stderr

    log_to_stderr(as_json=log_json)
    pulse = health.Pulse()
    with ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(create=True))
        if port is not None:
            answering = health.answering(host, port, pulse, metrics.registry(ledger))
            log.info("metrics on %s/metrics", stack.enter_context(answering))
        stop = StopSignal()
        received = stack.enter_context(_stopping(stop))
        worker.work(ledger, stop, pulse.beat)
    if received[:1] != [signal.SIGTERM]:
        click.get_current_context().exit(INTERRUPTED)


@contextmanager
def _stopping(stop: StopSignal) -> Iterator[list[int]]:
    """Inside, signals stop the worker after its current steps; yields those received. Ctrl-C after that does not
    wait."""
    from orchestrator.api.health import notify

    received: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        notify("STOPPING=1")
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
