"""A data file behind an address, as a plan knows it: ftorch asks its host for nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from orchestrator.jobfile.addresses import Address


@dataclass(frozen=True)
class ImportedFile:
    """A file that the endpoint fetches by itself: nobody here has seen its bytes."""

    role: str
    address: Address

    @property
    def sha256(self) -> str:
        """Of the address, as it is written: a stand-in for the hash of the bytes."""
        return hashlib.sha256(str(self.address).encode()).hexdigest()
