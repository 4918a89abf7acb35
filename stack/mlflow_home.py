"""MLflow of the embedded stack: its login, its own files and its environment."""

import configparser
import json
import os
import secrets
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from pipelines.errors import PurseError
from pipelines.files import exclusive, write_atomically
from pipelines.private import UMASK
from pipelines.settings import Settings
from pipelines.sqlite import migrated_beside
from pipelines.tracking.addresses import follow_move
from pipelines.tracking.database import migrate as migrate_runs
from pipelines.tracking.login import USER, login_file, mlflow_login

SECONDS = 300
"""How long MLflow's server remembers a checked password: checking one takes a tenth of a second."""


def prepare(settings: Settings) -> None:
    """Write the login, once, and the configuration of MLflow's login app; create or migrate the databases."""
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
    if settings.mlflow.tracking_uri is None:
        migrate(settings)


def migrate(settings: Settings) -> None:
    """Create MLflow's databases or bring them to the installed version, and to the place of the home.

    MLflow's server would do it piece by piece: a server that is killed meanwhile leaves a database that no later start
    can open (mlflow/mlflow#23721).

    Raises:
        PurseError: MLflow cannot upgrade a database, which stays as it was.
    """
    marker, installed = _folder(settings) / "database_version", version("mlflow")
    runs, users = settings.home_path / "mlflow.db", _folder(settings) / "auth.db"
    with exclusive(settings, "mlflow"):
        if not (runs.exists() and users.exists() and marker.exists() and marker.read_text() == installed):
            migrate_runs(runs)
            with migrated_beside(users) as draft:
                _migrate_users(draft, users)
            write_atomically(marker, installed.encode())
        follow_move(settings, runs)


def _migrate_users(draft: Path, users: Path) -> None:
    command = (sys.executable, "-m", "mlflow.server.auth", "db", "upgrade", "--url", f"sqlite:///{draft}")
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=draft.parent, umask=UMASK)  # noqa: S603
    if done.returncode != 0:
        raise PurseError(
            f"MLflow could not prepare the database of its users, {users}, which is as it was:\n{done.stderr[-1000:]}\n"
            f"Free disk space or correct the named cause. The database holds only the login: 'rm {users}' discards it, "
            "and 'purse up' makes a new one."
        )


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
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
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
