"""MLflow of the embedded stack: its login, its own files and its environment."""

import configparser
import json
import os
import secrets
from pathlib import Path

from pipelines.files import write_atomically
from pipelines.settings import Settings
from pipelines.tracking.login import USER, login_file, mlflow_login

SECONDS = 300
"""How long MLflow's server remembers a checked password: checking one takes a tenth of a second."""


def prepare(settings: Settings) -> None:
    """Write the login, once, and the configuration of MLflow's login app."""
    folder = _folder(settings)
    for path in (folder, folder / "tmp", settings.home_path / "mlartifacts"):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not login_file(settings).exists():
        write_atomically(login_file(settings), json.dumps({USER: secrets.token_urlsafe(18)}).encode())
    config = configparser.RawConfigParser()
    config["mlflow"] = {
        "default_permission": "NO_PERMISSIONS",
        "database_uri": f"sqlite:///{folder / 'auth.db'}",
        "admin_username": USER,
        "auth_cache_ttl_seconds": str(SECONDS),
    }
    with (folder / "basic_auth.ini").open("w") as file:
        config.write(file)


def environment(settings: Settings) -> dict[str, str]:
    """Variables of the server alone: its password, its session key and its own files."""
    folder, home = _folder(settings), settings.home_path
    own = (folder, home / "mlartifacts", home / "mlflow.db")
    session_key = folder / "session_key"
    if not session_key.exists():
        write_atomically(session_key, secrets.token_urlsafe(32).encode())
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "basic_auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": mlflow_login(settings)[1],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": session_key.read_text(),
        "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
        "PURSE_MLFLOW_OWN": os.pathsep.join(map(str, own)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder / "tmp"),
    }


def options(settings: Settings) -> tuple[str, ...]:
    """Options of the server about who may call it: this machine's names with its port."""
    port = settings.services.mlflow_port
    names = dict.fromkeys((settings.services.host, "127.0.0.1", "localhost"))
    return (
        *("--app-name", "purse"),
        *("--allowed-hosts", ",".join(f"{name}:{port}" for name in names)),
        *("--cors-allowed-origins", ",".join(f"http://{name}:{port}" for name in names)),
    )


def _folder(settings: Settings) -> Path:
    return settings.home_path / "mlflow"
