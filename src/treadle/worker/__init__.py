"""The child process that hosts engine sessions. It never sees the store."""
