"""The training methods a data file can serve, and what a file is for."""

from __future__ import annotations

from typing import Literal

Method = Literal["supervised", "dpo", "reinforcement"]
"""The `type` of a fine-tuning job's method: it decides what an example looks like."""

Purpose = Literal["training", "validation", "evaluation"]
"""An evaluation file holds supervised conversations whose rows may carry keys of their own (id, slice, …)."""
