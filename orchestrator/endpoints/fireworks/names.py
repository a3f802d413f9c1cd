"""Names on Fireworks. We choose those of datasets, jobs and models, so nothing can be made twice under one name.

A resource is called `accounts/ACCOUNT/KIND/ID`. ftorch records the ids of datasets and of supervised jobs,
`dpoJobs/ID` for jobs of DPO, and the whole names of models, since base models belong to another account.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.dataset.basemodels import FIREWORKS_TUNED, is_fine_tuned

LONGEST_ID = 63
"""Characters of an id: lower-case letters, digits and hyphens, beginning with a letter."""
OWNER = "fireworks"
"""The account that the shared base models belong to."""
_TAILS = ("/inference/v1", "/inference", "/v1")
_MARK = 9
"""The end of a suffix that identifies the run: a hyphen and its id."""


@dataclass(frozen=True)
class JobKind:
    """A kind of fine-tuning job."""

    collection: str
    """The last part of its address, and the key of its list."""
    id_key: str
    """The query parameter that sets the id of a new one."""


SUPERVISED = JobKind("supervisedFineTuningJobs", "supervisedFineTuningJobId")
PREFERENCE = JobKind("dpoJobs", "dpoJobId")
JOB_KINDS = (SUPERVISED, PREFERENCE)


def kind_of(method: str) -> JobKind:
    """The kind of job that trains with a method of the job file."""
    return PREFERENCE if method == "dpo" else SUPERVISED


def last(name: str) -> str:
    """The id in a resource's name."""
    return name.rpartition("/")[2]


def recorded_job(kind: JobKind, name: str) -> str:
    """How ftorch records a job: unambiguous within its account."""
    return last(name) if kind is SUPERVISED else f"{kind.collection}/{last(name)}"


def kind_and_id(job: str) -> tuple[JobKind, str]:
    """The kind and the id of a job, from its recorded or its whole name."""
    kind = PREFERENCE if f"/{PREFERENCE.collection}/" in f"/{job}" else SUPERVISED
    return kind, last(job)


def dataset_id(sent_name: str) -> str:
    """The id of the dataset with the bytes of this upload: it holds the start of their hash."""
    return slug(sent_name.removesuffix(".jsonl"))


def model_id(base: str, suffix: str) -> str:
    """The id of a tuned model: its base, so that its price can be told by its name, and the suffix, which ends with
    the run's id. A long suffix is cut before that id."""
    root = last(base)
    if is_fine_tuned(base):
        root = root.partition(FIREWORKS_TUNED)[0]
    begin, given = f"{slug(root)}{FIREWORKS_TUNED}", slug(suffix)
    room = LONGEST_ID - len(begin)
    if len(given) <= room:
        return begin + given
    if room < _MARK:
        return slug(f"ft-{given}")
    return begin + (given[: room - _MARK].rstrip("-") + given[-_MARK:]).lstrip("-")


def root_of(base_url: str | None) -> str:
    """The host's address, without the path of a part of its API, which people copy."""
    root = (base_url or "").rstrip("/")
    return next((root.removesuffix(tail) for tail in _TAILS if root.endswith(tail)), root)


def chat_address(base_url: str | None) -> str:
    """What clients of OpenAI's API call."""
    return f"{root_of(base_url)}/inference/v1"


def slug(text: str) -> str:
    """The text as an id can have it."""
    fitting = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    begun = fitting if fitting[:1].isalpha() else f"m-{fitting}"
    return begun[:LONGEST_ID].rstrip("-")
