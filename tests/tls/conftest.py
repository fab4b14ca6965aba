from tests.api.conftest import app, settings, twin

__all__ = ["app", "settings", "twin"]
