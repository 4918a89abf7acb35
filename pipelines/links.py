"""Where a browser finds the three screens, and their pages about one thing."""

from urllib.parse import quote, urlsplit

from pipelines.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost")


def airflow_address(settings: Settings) -> str:
    """Where programs on this machine reach Airflow's API."""
    return f"http://{settings.services.host}:{settings.services.airflow_port}"


def mlflow_address(settings: Settings) -> str:
    """Where programs reach MLflow: the embedded server, or the one that mlflow.tracking_uri names."""
    return settings.mlflow.tracking_uri or f"http://{settings.services.host}:{settings.services.mlflow_port}"


def dashboard_url(settings: Settings) -> str:
    """The dashboard."""
    return (settings.dashboard.public_url or f"http://{settings.services.host}:{settings.serving.port}").rstrip("/")


def airflow_url(settings: Settings) -> str:
    """The Airflow UI."""
    return (settings.airflow.public_url or airflow_address(settings)).rstrip("/")


def mlflow_url(settings: Settings) -> str:
    """The MLflow UI; where runs are kept without a server, the address that `purse up` gives one."""
    tracking, services = settings.mlflow.tracking_uri or "", settings.services
    served = tracking if tracking.startswith("http") else f"http://{services.host}:{services.mlflow_port}"
    return (settings.mlflow.public_url or served).rstrip("/")


def model_url(settings: Settings, version: str) -> str:
    """The page of a registered version."""
    return f"{mlflow_url(settings)}/#/models/{quote(settings.mlflow.model_name)}/versions/{quote(version)}"


def run_url(settings: Settings, experiment_id: str, run_id: str) -> str:
    """The page of a run."""
    return f"{mlflow_url(settings)}/#/experiments/{quote(experiment_id)}/runs/{quote(run_id)}"


def dag_url(settings: Settings, dag_id: str) -> str:
    """The page of a DAG."""
    return f"{airflow_url(settings)}/dags/{quote(dag_id)}"


def data_docs_url(settings: Settings, page: str = "index.html") -> str:
    """A validation report, which Airflow serves to whoever is logged in."""
    return f"{airflow_url(settings)}/data-docs/{quote(page)}"


def frame_ancestors(settings: Settings) -> tuple[str, ...]:
    """Origins that may show the dashboard in a frame: Airflow's, by each name of this machine, and those set."""
    parts = urlsplit(airflow_url(settings))
    port = f":{parts.port}" if parts.port else ""
    names = LOOPBACK if parts.hostname in LOOPBACK else (parts.hostname,)
    return (*(f"{parts.scheme}://{name}{port}" for name in names), *settings.dashboard.framed_by)
