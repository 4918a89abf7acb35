"""The dashboard: what Purse says today, whether it can be trusted, which model says it, and one user at a time."""

from serving.dashboard.routes import router

__all__ = ["router"]
