"""Airflow plugin: serve the Data Docs (all validation reports) to logged-in users at /data-docs of the Airflow UI."""

from functools import cache
from typing import TYPE_CHECKING

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send


@cache
def application() -> "FastAPI":
    """Build the application that serves `settings.data_docs` behind Airflow's login."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends, FastAPI, Request, Response
    from fastapi.staticfiles import StaticFiles

    from pipelines.settings import load_settings

    files = StaticFiles(directory=load_settings().data_docs, html=True, check_dir=False)
    app = FastAPI(title="Data Docs", openapi_url=None)

    @app.get("/{path:path}", dependencies=[Depends(get_user)])
    async def page(path: str, request: Request) -> Response:
        return await files.get_response(path, request.scope)

    return app


async def data_docs(scope: "Scope", receive: "Receive", send: "Send") -> None:
    """Handle a request; build the application at the first one, as every worker loads plugins but only one serves."""
    await application()(scope, receive, send)


class DataDocs(AirflowPlugin):
    """Plugin with the Data Docs; Airflow loads it from its plugins_folder."""

    name = "data_docs"
    fastapi_apps = [{"app": data_docs, "url_prefix": "/data-docs", "name": "Data Docs"}]  # noqa: RUF012  # Airflow's form
    external_views = [  # noqa: RUF012
        {"name": "Data Docs", "href": "/data-docs/index.html", "destination": "nav", "url_route": "data-docs"}
    ]
