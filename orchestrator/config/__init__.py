"""Where things lie and which endpoints there are. Secrets are known by the NAME of their environment variable only.

Endpoints come from `[endpoints.NAME]` tables in the project's `ftorch.toml` and in the user's own (the project
wins); `local` and `openai` are always there.
"""

from __future__ import annotations

from orchestrator.config.endpoint import EndpointConfig, EndpointType
from orchestrator.config.workspace import PROJECT_FILE, STATE_DIR, Workspace, find_workspace, user_config_path

__all__ = [
    "PROJECT_FILE",
    "STATE_DIR",
    "EndpointConfig",
    "EndpointType",
    "Workspace",
    "find_workspace",
    "user_config_path",
]
