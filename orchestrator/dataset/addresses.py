"""A data file at an address, as a plan knows it. ftorch never requests it from its host."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from orchestrator.jobfile.addresses import Address


@dataclass(frozen=True)
class ImportedFile:
    """A file that the endpoint fetches. ftorch has not seen its bytes."""

    role: str
    address: Address

    @property
    def sha256(self) -> str:
        """The hash of the address as written, in place of a hash of the bytes."""
        return hashlib.sha256(str(self.address).encode()).hexdigest()
