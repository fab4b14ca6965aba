"""Where version 2 has its operations."""

from typing import Final

WORKSPACE: Final = "/v2/workspaces/{workspace_id}"
SESSIONS: Final = WORKSPACE + "/aura-sessions"
SESSION: Final = SESSIONS + "/{session_id}"
STATEMENT: Final = SESSION + "/statements/{statement_id}"
