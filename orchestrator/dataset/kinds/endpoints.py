"""FT7: what one endpoint refuses and another takes; FT8: what shows between files."""

from __future__ import annotations

from orchestrator.dataset.kinds.kind import Kind, error

ENDPOINTS: tuple[Kind, ...] = (
    error(
        "FT701",
        "method not offered",
        "{endpoint} endpoints do not train with the method {method}",
        "Choose another method, or another endpoint.",
    ),
    error(
        "FT702",
        "more tokens than one job may train on",
        "{tokens:,} tokens × {epochs} epochs are more than the {limit:,} that one job on {endpoint} may train on",
        "Train for fewer epochs, or leave examples out.",
    ),
)

BETWEEN_FILES: tuple[Kind, ...] = (
    error(
        "FT801",
        "other tool definitions than in training",
        "{problem}",
        "Give both files the same definitions; ftorch data shorten brings them to the same level.",
    ),
)
