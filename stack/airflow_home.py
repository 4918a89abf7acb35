"""AIRFLOW_HOME of the embedded stack: secrets, airflow.cfg, database and the environment of every service.

All files are under `<home>/airflow` and `<home>/secrets`. An Airflow that the user already has is ignored: AIRFLOW_*
variables are removed from the environment.
"""

import configparser
import json
import os
import secrets
import shlex
import subprocess
from base64 import urlsafe_b64encode
from importlib.metadata import version
from pathlib import Path

from pipelines.errors import PurseError
from pipelines.files import write_atomically
from pipelines.links import airflow_address, airflow_url, mlflow_address
from pipelines.private import UMASK, close
from pipelines.settings import REPOSITORY, Settings
from pipelines.sqlite import migrated_beside, remove
from pipelines.tracking.login import read_login
from stack.processes import executable

ADMIN = "admin"
LOGIN_SECONDS = 3600
"""Time until a browser must log in again: its token is a cookie, which a browser sends to every port of the host."""

COMMAND_SECONDS = 300
"""Time for which the token of a command is valid; `airflow_api` takes a new one."""


def login_file(settings: Settings) -> Path:
    """File with JSON {user: password}, the format of Airflow's SimpleAuthManager."""
    return settings.home_path / "secrets" / "airflow_login.json"


def login(settings: Settings) -> tuple[str, str]:
    """User and password of the Airflow UI and API.

    Raises:
        PurseError: the services were never started in this home.
    """
    return read_login(login_file(settings))


def prepare(settings: Settings) -> None:
    """Write the files that Airflow needs to start: secrets (only once) and airflow.cfg (always, from the settings)."""
    folder = settings.home_path / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    for private in (settings.home_path, folder):
        close(private)
    _write_secret(folder / "fernet_key", urlsafe_b64encode(secrets.token_bytes(32)).decode())
    _write_secret(folder / "jwt_secret", secrets.token_urlsafe(48))
    _write_secret(folder / "api_secret_key", secrets.token_urlsafe(48))
    _write_secret(login_file(settings), json.dumps({ADMIN: secrets.token_urlsafe(12)}))

    airflow_home = settings.home_path / "airflow"
    airflow_home.mkdir(exist_ok=True)
    config = configparser.RawConfigParser()
    config.read_dict(_configuration(settings))
    with (airflow_home / "airflow.cfg").open("w") as file:
        config.write(file)


def migrate(settings: Settings) -> None:
    """Create Airflow's database or upgrade it to the installed version; do nothing if it is up to date.

    Raises:
        PurseError: 'airflow db migrate' failed; the database is as it was.
    """
    airflow_home = settings.home_path / "airflow"
    marker = airflow_home / "database_version"
    installed = version("apache-airflow-core")
    database = airflow_home / "airflow.db"
    if database.exists() and marker.exists() and marker.read_text() == installed:
        return
    with migrated_beside(database) as draft:
        problem = _migrate(settings, draft)
        if problem and not marker.exists():  # an interrupted first start left the database unfinished, and unused
            remove(draft)
            problem = _migrate(settings, draft)
        if problem:
            raise PurseError(
                f"Airflow could not prepare its database {database}, which is as it was:\n{problem[-2000:]}\n"
                f"Free disk space or correct the named cause. To discard a broken database, with the history of runs, "
                f"move it away with 'mv {database} {database}.broken' and run 'purse up' again."
            )
    write_atomically(marker, installed.encode())


def _migrate(settings: Settings, database: Path) -> str:
    """Run 'airflow db migrate'; return what it printed if it failed, otherwise nothing."""
    done = subprocess.run(  # noqa: S603  # no shell, fixed words
        [executable("airflow"), "db", "migrate"],
        check=False,
        env=environment(settings) | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}"},
        cwd=database.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        umask=UMASK,
    )
    return (done.stderr or f"exit status {done.returncode}") if done.returncode else ""


def environment(settings: Settings) -> dict[str, str]:
    """Environment of every service and step: our programs first on PATH, no other Airflow, no telemetry."""
    home = settings.home_path
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    local_hosts = ",".join(filter(None, (os.environ.get("NO_PROXY"), "127.0.0.1", "localhost", settings.services.host)))
    # services run in another folder, so relative paths become absolute
    files = {name: os.environ.get(name, "") for name in ("PURSE_CONFIG", "PURSE_SOURCE")}
    absolute = {name: str(Path(file).resolve()) for name, file in files.items() if Path(file).suffix}
    return (
        inherited
        | absolute
        | {
            "PATH": f"{Path(executable('airflow')).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW_CONFIG": str(home / "airflow" / "airflow.cfg"),
            "PURSE_HOME": str(home),
            "PURSE_MLFLOW__TRACKING_URI": mlflow_address(settings),
            "NO_PROXY": local_hosts,
            "no_proxy": local_hosts,
            # uvicorn's default believes X-Forwarded-For from every process of this machine
            "FORWARDED_ALLOW_IPS": "",
            "DO_NOT_TRACK": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "GX_ANALYTICS_ENABLED": "false",
            # Otherwise MLflow starts a pool of workers for evaluation jobs that Purse doesn't use.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
    )


def parallel_tasks() -> int:
    """Number of parallel tasks: one per core that this process may use, at least 2."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(2, cores)


def _configuration(settings: Settings) -> dict[str, dict[str, str]]:
    home, url = settings.home_path, airflow_address(settings)
    folder = home / "secrets"
    sections: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": REPOSITORY / "dags",
            "plugins_folder": REPOSITORY / "dags" / "plugins",
            "executor": "LocalExecutor",
            "parallelism": parallel_tasks(),
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "fernet_key_cmd": _cat(folder / "fernet_key"),
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_passwords_file": login_file(settings),
            "execution_api_server_url": f"{url}/execution/",
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow' / 'airflow.db'}"},
        "api": {
            "host": settings.services.host,
            "port": settings.services.airflow_port,
            "base_url": airflow_url(settings),
            "workers": 1,
            "secret_key_cmd": _cat(folder / "api_secret_key"),
            "instance_name": "Purse",
        },
        "api_auth": {
            "jwt_secret_cmd": _cat(folder / "jwt_secret"),
            "jwt_expiration_time": LOGIN_SECONDS,
            "jwt_cli_expiration_time": COMMAND_SECONDS,
        },
        # Poll every 0.7 s instead of 1 s: the steps are short, so waits are noticed; 0.25 s cost 6 % of a core all day.
        "scheduler": {"scheduler_idle_sleep_time": 0.7, "task_instance_heartbeat_timeout": 60},
        # a changed file is read at once; the interval is only for files that did not change
        "dag_processor": {"parsing_processes": 1, "refresh_interval": 30, "min_file_process_interval": 120},
        "logging": {
            "base_log_folder": home / "airflow" / "logs",
            "dag_processor_child_process_log_directory": home / "airflow" / "logs" / "dag_processor",
            "uvicorn_logging_level": "WARNING",
            "colored_console_log": False,
            # Airflow sets these modes itself, whatever the umask is
            "file_task_handler_new_folder_permissions": "0o700",
            "file_task_handler_new_file_permissions": "0o600",
        },
    }
    # Airflow interpolates: double every literal per cent sign, which a path may contain.
    return {
        section: {key: str(value).replace("%", "%%") for key, value in options.items()}
        for section, options in sections.items()
    }


def _cat(file: Path) -> str:
    """Shell command that prints the file."""
    return shlex.join(["cat", str(file)])


def _write_secret(file: Path, text: str) -> None:
    """Write a file that only its owner can read; keep an existing file, since it encrypts the database."""
    if not file.exists():
        write_atomically(file, text.encode())  # created with mode 0600
    file.chmod(0o600)
