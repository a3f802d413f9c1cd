"""Looking at a data file behind an address without fetching it: whether it is there, and which one it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from orchestrator.errors import AddressUnreadable
from orchestrator.jobfile.addresses import Address

_SECONDS = 30.0


@dataclass(frozen=True)
class ImportedFile:
    """A file that the endpoint fetches by itself: nobody here has seen its bytes."""

    role: str
    address: Address
    sha256: str
    """Of the address, the version that the host names (ETag) and the size: a stand-in for the hash of the bytes."""
    size: int | None


def inspect_address(role: str, address: Address) -> ImportedFile:
    """Ask the host for the file's head. Raises AddressUnreadable where it can't be had, so that nothing fails an
    hour later."""
    import httpx2

    if address.unset:
        problem = f"the environment variable {address.unset[0]} is not set; export {address.unset[0]}=… first"
        raise AddressUnreadable(address=address, problem=problem)
    try:
        answer = httpx2.head(address.whole, follow_redirects=False, timeout=_SECONDS)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        problem = f"its host does not answer ({type(error).__name__})"  # its text may quote the whole address
        raise AddressUnreadable(address=address, problem=problem) from None
    if answer.status_code != 200:
        raise AddressUnreadable(address=address, problem=f"its host answers HTTP {answer.status_code}")
    version = answer.headers.get("etag") or answer.headers.get("last-modified") or ""
    length = answer.headers.get("content-length", "")
    identity = f"{address}\n{version}\n{length}"
    size = int(length) if length.isdigit() else None
    return ImportedFile(role, address, hashlib.sha256(identity.encode()).hexdigest(), size)
