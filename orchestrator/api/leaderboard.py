"""Taking a model off the leaderboard, and putting it back."""

from __future__ import annotations

from orchestrator.api.host import Host
from orchestrator.errors import NotEvaluated, RemovalNotConfirmed
from orchestrator.evaluation.leaderboard import holding, set_removed
from orchestrator.evaluation.versus import model_named
from orchestrator.ledger import Ledger


def remove(ledger: Ledger, key: str, host: Host) -> None:
    """Take a model, or that of a run, off the leaderboard; its answers and scores stay. Raises NotEvaluated."""
    model = model_named(ledger, key)
    found = holding(ledger, model)
    if not found:
        raise NotEvaluated(key=key, where="", advice="See: ftorch leaderboard")
    question = f"Take {model} off the leaderboard? Its answers and scores stay."
    host.confirm(question, RemovalNotConfirmed(model=model))
    set_removed(ledger, model, found, is_removed=True)
    host.say(f"removed {model}; to bring it back: ftorch leaderboard --restore {model}")


def restore(ledger: Ledger, key: str, host: Host) -> None:
    """Put a model back on the leaderboard. Raises NotEvaluated."""
    model = model_named(ledger, key)
    found = holding(ledger, model)
    if not found:
        raise NotEvaluated(key=key, where="", advice="See: ftorch leaderboard")
    set_removed(ledger, model, found, is_removed=False)
    host.say(f"{model} is on the leaderboard again")
