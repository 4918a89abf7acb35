"""Airflow plugin: show the dashboard as a page of the Airflow UI, and MLflow in its menu.

The dashboard lets only this UI frame it, see `pipelines.links.frame_ancestors`. MLflow can't be framed and Airflow's
frames can't open windows, so MLflow is a menu entry.
"""

from airflow.plugins_manager import AirflowPlugin

from pipelines.links import dashboard_url, mlflow_url
from pipelines.settings import load_settings


class Dashboard(AirflowPlugin):
    """Plugin with the dashboard and MLflow; Airflow loads it from its plugins_folder."""

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
