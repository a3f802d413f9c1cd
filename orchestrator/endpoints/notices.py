"""What a user should know about an endpoint before paying for a job there, with dates."""

from __future__ import annotations

from datetime import date

from orchestrator.config import EndpointConfig

OPENAI_LAST_JOBS = date(2027, 1, 6)
"""OpenAI's wind-down of fine-tuning, announced on 7 May 2026."""


def notices(config: EndpointConfig, model: str, today: date) -> list[str]:
    """Sentences to show before a submission to this endpoint."""
    if config.type == "openai":
        return [_wind_down(today)]
    if config.type == "local":
        return [
            f"{config.name}: tiny, a small trainer on this machine, stands in for {model}. It rehearses the whole "
            "pipeline and really learns, but knows nothing of the world: its numbers say nothing about that model."
        ]
    return []


def _wind_down(today: date) -> str:
    days = (OPENAI_LAST_JOBS - today).days
    when = f"in {days} days" if days > 1 else "tomorrow" if days == 1 else "now over"
    return (
        "OpenAI is winding fine-tuning down: since 7 May 2026 no new organisations, since 2 July 2026 only those "
        f"with recent use, from 6 January 2027 ({when}) no new jobs at all; fine-tuned models answer until their "
        "base model retires. The same job file goes on with another endpoint: Azure OpenAI, a compatible host "
        '(type = "compatible"), or --endpoint local to rehearse.'
    )
