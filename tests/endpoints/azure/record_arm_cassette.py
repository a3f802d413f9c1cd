"""Records a deployment's life on a simulated resource: `python tests/endpoints/azure/record_arm_cassette.py`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from support.arm_story import CASSETTES, deployment_life, taped
from support.azure_resource import SECRET, azure_resource


def main() -> None:
    path = CASSETTES / "deployment_life.yaml"
    path.unlink(missing_ok=True)
    slowly = {"deploying_seconds": 0.5, "deleting_seconds": 0.5}  # so that every state is seen
    with tempfile.TemporaryDirectory() as folder, azure_resource(Path(folder) / "store", **slowly) as resource:
        place = f"{resource.address}/msi/token?resource=https://management.azure.com&api-version=2019-08-01"
        token = httpx2.get(place, headers={"X-IDENTITY-HEADER": SECRET}).json()["access_token"]
        with taped(is_recording=True, token=token):
            asyncio.run(deployment_life(resource.address, asyncio.sleep))
    print(f"recorded {path}")


if __name__ == "__main__":
    main()
