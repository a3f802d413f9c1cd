"""The example of docs/local-endpoint.md does what the page says."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVE = """
import sys
from pathlib import Path
from orchestrator.server.app import Settings
from orchestrator.server.serve import serve
serve(Path(sys.argv[1]), "127.0.0.1", 0, Settings())
"""


def test_the_example_ends_with_a_model(tmp_path):
    page = (ROOT / "docs" / "local-endpoint.md").read_text()
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    server = subprocess.Popen([sys.executable, "-c", SERVE, str(tmp_path)], stderr=subprocess.PIPE, text=True)
    try:
        address = server.stderr.readline().split()[-1]
        script = example.replace("http://127.0.0.1:8000/v1", address)
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        )
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=10)
    assert re.fullmatch(r"succeeded ft:gpt-4\.1-mini-2025-04-14:local:drone:\w{8}\n", done.stdout)
