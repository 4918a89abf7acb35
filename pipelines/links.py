"""Addresses of the dashboard, Airflow and MLflow, and of their pages."""

from urllib.parse import quote, urlsplit

from pipelines.settings import Settings

AIRFLOW_NAME = "airflow.localhost"
"""Name of Airflow on this machine for browsers, which resolve it without DNS.

A browser sends the cookie with Airflow's login to every port of a host name, so the other sites need another name. Most
programs do not resolve it: steps go on using the address.
"""

TRAINING = "workflowType=machine_learning"
"""Query of MLflow's pages, after the path in the fragment: without it, they open as chats."""

RUNS_VIEW = "purse"
"""Name of the view of the runs, see `pipelines.tracking.experiments`."""

LOOPBACK = ("127.0.0.1", "localhost", AIRFLOW_NAME)


def airflow_address(settings: Settings) -> str:
    """Address of Airflow's API for programs on this machine."""
    return f"http://{settings.services.host}:{settings.services.airflow_port}"


def mlflow_address(settings: Settings) -> str:
    """Address of MLflow for programs: mlflow.tracking_uri, or the embedded server."""
    return settings.mlflow.tracking_uri or f"http://{settings.services.host}:{settings.services.mlflow_port}"


def dashboard_url(settings: Settings) -> str:
    """Address of the dashboard."""
    return (settings.dashboard.public_url or f"http://{settings.services.host}:{settings.serving.port}").rstrip("/")


def airflow_url(settings: Settings) -> str:
    """Address of the Airflow UI for a browser."""
    host = AIRFLOW_NAME if settings.services.host in LOOPBACK else settings.services.host
    return (settings.airflow.public_url or f"http://{host}:{settings.services.airflow_port}").rstrip("/")


def mlflow_url(settings: Settings) -> str:
    """Address of the MLflow UI; without a server, the address at which `purse up` starts one."""
    tracking, services = settings.mlflow.tracking_uri or "", settings.services
    served = tracking if tracking.startswith("http") else f"http://{services.host}:{services.mlflow_port}"
    return (settings.mlflow.public_url or served).rstrip("/")


def model_url(settings: Settings, version: str) -> str:
    """Address of a registered version's page."""
    page = f"/#/models/{quote(settings.mlflow.model_name)}/versions/{quote(version)}"
    return f"{mlflow_url(settings)}{page}?{TRAINING}"


def run_url(settings: Settings, experiment_id: str, run_id: str) -> str:
    """Address of a run's page."""
    return f"{mlflow_url(settings)}/#/experiments/{quote(experiment_id)}/runs/{quote(run_id)}?{TRAINING}"


def runs_url(settings: Settings, experiment_id: str) -> str:
    """Address of the table of an experiment's runs, the best first."""
    return f"{mlflow_url(settings)}/#/experiments/{quote(experiment_id)}/runs?viewStateShareKey={RUNS_VIEW}&{TRAINING}"


def dag_url(settings: Settings, dag_id: str) -> str:
    """Address of a DAG's page."""
    return f"{airflow_url(settings)}/dags/{quote(dag_id)}"


def data_docs_url(settings: Settings, page: str = "index.html") -> str:
    """Address of a validation report, which Airflow serves to logged-in users."""
    return f"{airflow_url(settings)}/data-docs/{quote(page)}"


def frame_ancestors(settings: Settings) -> tuple[str, ...]:
    """Origins that may frame the dashboard: Airflow's, by every loopback name, and `dashboard.framed_by`."""
    parts = urlsplit(airflow_url(settings))
    port = f":{parts.port}" if parts.port else ""
    names = LOOPBACK if parts.hostname in LOOPBACK else (parts.hostname,)
    return (*(f"{parts.scheme}://{name}{port}" for name in names), *settings.dashboard.framed_by)
