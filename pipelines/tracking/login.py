"""Login of the embedded stack's MLflow, for the steps, the dashboard and people's commands."""

import json
import os
from pathlib import Path

from pipelines.errors import PurseError
from pipelines.listener import require_own_listener
from pipelines.settings import Settings

USER = "admin"
NAME, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


def login_file(settings: Settings) -> Path:
    """File with JSON {user: password}."""
    return settings.home_path / "secrets" / "mlflow_login.json"


def mlflow_login(settings: Settings) -> tuple[str, str]:
    """User and password of this home's MLflow.

    Raises:
        PurseError: the services were never started in this home.
    """
    return read_login(login_file(settings))


def read_login(file: Path) -> tuple[str, str]:
    """User and password in a file of the stack, JSON {user: password}.

    Raises:
        PurseError: the file is missing, since the services were never started in its home.
    """
    if not file.is_file():
        raise PurseError(
            f"The login file {file} is missing: the services were never started here. Run 'purse up' first."
        )
    ((name, password),) = json.loads(file.read_text()).items()
    return name, password


def log_in(settings: Settings) -> None:
    """Give MLflow's client the login of this home's server; another server's login comes from the environment.

    Raises:
        PurseError: another user's program listens on the port: it must not see the password.
    """
    own = f"http://{settings.services.host}:{settings.services.mlflow_port}"
    if settings.tracking_uri.rstrip("/") != own or not login_file(settings).is_file():
        return
    require_own_listener(settings.services.host, settings.services.mlflow_port, "services.mlflow_port")
    os.environ[NAME], os.environ[PASSWORD] = mlflow_login(settings)
