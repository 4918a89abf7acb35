"""Shows the dashboard as a page of the Airflow UI, and MLflow in its menu.

The dashboard allows exactly this UI to frame it, see `pipelines.links.frame_ancestors`. Airflow's frames open no
windows, so MLflow, which allows nobody to frame it, is an entry of its own.
"""

from airflow.plugins_manager import AirflowPlugin

from pipelines.links import dashboard_url, mlflow_url
from pipelines.settings import load_settings


class Dashboard(AirflowPlugin):
    """Airflow finds it in its plugins_folder."""

    name = "dashboard"
    external_views = [  # noqa: RUF012  # Airflow's form
        {
            "name": "Purse",
            "href": f"{dashboard_url(load_settings())}/",
            "icon": f"{dashboard_url(load_settings())}/static/icon.svg",
            "url_route": "purse",
            "nav_top_level": True,
        },
        {"name": "MLflow", "href": mlflow_url(load_settings())},
    ]
