"""Start the MLflow server of docker-compose.yml with a login.

Two users: `purse` administers (steps, people) and `purse-api` reads. Their passwords come from the environment at each
start, so a new password in .env takes effect with the next start. The experiment and the registered model are created
here, because whoever creates one may write to it, and purse-api may come first.
"""

import os
import tempfile
from pathlib import Path

from mlflow.entities import ExperimentTag
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore as Logins
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Models
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Runs

from pipelines.sections import Mlflow
from pipelines.settings import load_settings
from pipelines.tracking.experiments import EXPERIMENT_TAGS, monitoring_experiment

ADMIN, READER = "purse", "purse-api"

LOGIN = """[mlflow]
default_permission = READ
database_uri = {database}
admin_username = {user}
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 300
"""
"""MLflow's login file. Without the cache every request computes the slow hash of a password."""


def prepare_logins(database: str, passwords: dict[str, str]) -> None:
    """Create the users, or give the existing ones their current password; only ADMIN administers."""
    store = Logins()
    store.init_db(database)
    for user, password in passwords.items():
        if store.has_user(user):
            store.update_user(user, password=password, is_admin=user == ADMIN)
        else:
            store.create_user(user, password, is_admin=user == ADMIN)


def prepare_store(database: str, names: Mlflow) -> None:
    """Create the experiments of the steps, whose artifacts go through the server, and the registered model."""
    runs, models = Runs(database, "mlflow-artifacts:/"), Models(database)
    for name in (names.experiment, monitoring_experiment(names)):
        if runs.get_experiment_by_name(name) is None:
            runs.create_experiment(name, tags=[ExperimentTag(*tag) for tag in EXPERIMENT_TAGS.items()])
    if not models.search_registered_models(f"name = '{names.model_name}'"):
        models.create_registered_model(names.model_name)


def main() -> None:
    """Prepare the logins and become the server; the server's environment keeps no password of a user."""
    environment = dict(os.environ)
    database = environment.pop("MLFLOW_LOGINS_URI")
    passwords = {ADMIN: environment.pop("MLFLOW_PASSWORD"), READER: environment.pop("MLFLOW_READER_PASSWORD")}
    prepare_logins(database, passwords)
    prepare_store(environment["MLFLOW_BACKEND_STORE_URI"], load_settings().mlflow)
    file = Path(tempfile.mkdtemp()) / "basic_auth.ini"
    file.touch(mode=0o600)
    # the server reads the file as an INI file, in which % is an escape
    file.write_text(LOGIN.format(database=database.replace("%", "%%"), user=ADMIN, password=passwords[ADMIN]))
    command = [
        *("mlflow", "server", "--app-name", "basic-auth", "--host", "0.0.0.0", "--port", "5000", "--workers", "1"),  # noqa: S104 - published on loopback only
        # the names under which the steps and a browser on this machine call it; other hosts and origins are refused
        *("--allowed-hosts", "mlflow:5000,localhost:5000,127.0.0.1:5000"),
        *("--cors-allowed-origins", "http://localhost:5000,http://127.0.0.1:5000"),
        *("--artifacts-destination", "/var/lib/mlflow/artifacts"),
    ]
    os.execvpe(command[0], command, environment | {"MLFLOW_AUTH_CONFIG_PATH": str(file)})  # noqa: S606 - no shell, fixed words


if __name__ == "__main__":
    main()
