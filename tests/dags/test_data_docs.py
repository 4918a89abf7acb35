"""The plugin that serves the Data Docs: its pages, and its place in Airflow's menu."""

import importlib.util

from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse

from pipelines.settings import REPOSITORY


def test_the_index_is_in_the_menu_and_under_the_url_that_is_served():
    spec = importlib.util.spec_from_file_location("data_docs_plugin", REPOSITORY / "dags" / "plugins" / "data_docs.py")
    plugin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    (view,) = (ExternalViewResponse.model_validate(one) for one in plugin.DataDocs.external_views)
    (app,) = plugin.DataDocs.fastapi_apps
    assert view.href == f"{app['url_prefix']}/index.html"
    assert (view.destination, view.name) == ("nav", "Data Docs")
