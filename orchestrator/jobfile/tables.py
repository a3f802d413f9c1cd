"""The small tables of a job file: data, limits, polling, notes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

MAX_METADATA_PAIRS, MAX_METADATA_KEY, MAX_METADATA_VALUE = 16, 64, 512
MOST_CAPACITY = 100_000
Sku = Literal["Standard", "GlobalStandard", "DeveloperTier"]
"""How Azure hosts a deployment."""
RESERVED_METADATA_KEYS = frozenset({"ftorch_token", "ftorch_run"})


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Data(Table):
    """Paths relative to the job file."""

    training_file: str = Field(min_length=1)
    validation_file: str | None = Field(default=None, min_length=1)


class Limits(Table):
    max_cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Deployment(Table):
    """How a run's model is deployed on Azure. Hosting is charged from then on, by the hour."""

    auto: bool = True
    """Deploy by itself when the run has succeeded; false: only `ftorch deploy` does, on these terms."""
    name: str | None = Field(default=None, min_length=2, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    sku: Sku | None = None
    capacity: int | None = Field(default=None, ge=1, le=MOST_CAPACITY)
    """Thousands of tokens a minute."""


class Azure(Table):
    """What only Azure's endpoints take; for others the table stands there without effect, so a job file moves."""

    training_type: Literal["Standard", "GlobalStandard", "DeveloperTier"] | None = None
    deployment: Deployment | None = None


class Poll(Table):
    seconds: float | None = Field(default=None, ge=0.05, le=3600)


def _check_metadata_key(key: str) -> str:
    if key in RESERVED_METADATA_KEYS:
        raise PydanticCustomError("metadata", "this key is ftorch's own; choose another")
    if len(key) > MAX_METADATA_KEY:
        facts = {"found": len(key), "most": MAX_METADATA_KEY}
        raise PydanticCustomError("metadata", "this key has {found} characters, at most {most} are allowed", facts)
    return key


def _check_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Two of the pairs that the API takes are kept free for ftorch's own marker."""
    room = MAX_METADATA_PAIRS - len(RESERVED_METADATA_KEYS)
    if len(metadata) > room:
        facts = {"found": len(metadata), "room": room}
        raise PydanticCustomError("metadata", "has {found} pairs, at most {room} fit", facts)
    return metadata


MetadataKey = Annotated[str, AfterValidator(_check_metadata_key)]
MetadataValue = Annotated[str, Field(max_length=MAX_METADATA_VALUE)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], AfterValidator(_check_metadata)]
