"""Identifiers that look like the official ones: a prefix and random base-62 characters."""

from __future__ import annotations

import secrets
import string

ALPHABET = string.digits + string.ascii_letters


def token(length: int) -> str:
    """Random characters, 5.95 bits each."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def file_id() -> str:
    return f"file-{token(22)}"


def upload_id() -> str:
    return f"upload_{token(24)}"


def part_id() -> str:
    return f"part_{token(24)}"


def job_id() -> str:
    return f"ftjob-{token(24)}"


def event_id() -> str:
    return f"ftevent-{token(24)}"


def checkpoint_id() -> str:
    return f"ftckpt_{token(24)}"


def model_token() -> str:
    """The last part of a fine-tuned model's name."""
    return token(8)


def batch_id() -> str:
    return f"batch_{token(24)}"


def batch_answer_id() -> str:
    return f"batch_req_{token(24)}"


def completion_id() -> str:
    return f"chatcmpl-{token(29)}"


def call_id() -> str:
    return f"call_{token(24)}"


def request_id() -> str:
    return f"req_{secrets.token_hex(16)}"
