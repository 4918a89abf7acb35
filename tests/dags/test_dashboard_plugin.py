"""The plugin's views are what the Airflow UI accepts, and point to where the settings say."""

import importlib

import pytest


@pytest.fixture
def views(monkeypatch):
    """The views with some variables in force, as Airflow's API hands them to its UI."""

    def read(**variables):
        from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse

        from dags.plugins import dashboard

        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return [ExternalViewResponse(**view) for view in importlib.reload(dashboard).Dashboard.external_views]

    return read


def test_the_dashboard_is_a_page_and_mlflow_an_entry_that_opens_a_window(views):
    purse, mlflow = views(PURSE_DASHBOARD__PUBLIC_URL="https://shop.example/purse/")
    assert (purse.name, purse.href, purse.url_route) == ("Purse", "https://shop.example/purse/", "purse")
    assert purse.icon == "https://shop.example/purse/static/icon.svg"
    assert purse.destination == mlflow.destination == "nav"
    assert (mlflow.href, mlflow.url_route) == ("http://127.0.0.1:5000", None)
