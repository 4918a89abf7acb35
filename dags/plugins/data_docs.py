"""Airflow plugin: serve the Data Docs (all validation reports) to logged-in users at /data-docs of the Airflow UI."""

from functools import cache
from typing import TYPE_CHECKING

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "sandbox allow-same-origin; default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every answer: a page runs no script and sends no form, whatever a shop's data has brought into it.

Without `allow-same-origin` the browser would not send Airflow's cookie, which is SameSite=Lax, for the stylesheet and
for a link inside Airflow's frame. It is safe because `allow-scripts` is absent.
"""


@cache
def application() -> "FastAPI":
    """Build the application that serves `settings.data_docs` behind Airflow's login."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends, FastAPI, HTTPException, Request, Response
    from fastapi.exception_handlers import http_exception_handler
    from fastapi.responses import RedirectResponse
    from fastapi.staticfiles import StaticFiles

    from pipelines.settings import load_settings

    files = StaticFiles(directory=load_settings().data_docs, html=True, check_dir=False)
    app = FastAPI(title="Data Docs", openapi_url=None)

    @app.exception_handler(401)
    async def login(request: Request, error: HTTPException) -> Response:
        """Send a browser to Airflow's login, which leads back; a program gets the refusal as it is."""
        if "text/html" not in request.headers.get("accept", ""):
            return await http_exception_handler(request, error)
        page = f"/data-docs/{request.path_params.get('path', '')}"
        return RedirectResponse(get_auth_manager().get_url_login(next_url=page), 302)

    @app.get("/{path:path}", dependencies=[Depends(get_user)])
    async def page(path: str, request: Request) -> Response:
        return await files.get_response(path, request.scope)

    return app


async def data_docs(scope: "Scope", receive: "Receive", send: "Send") -> None:
    """Handle a request; build the application at the first one, as every worker loads plugins but only one serves."""
    from starlette.datastructures import MutableHeaders

    async def send_protected(message: "Message") -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    await application()(scope, receive, send_protected)


class DataDocs(AirflowPlugin):
    """Plugin with the Data Docs; Airflow loads it from its plugins_folder."""

    name = "data_docs"
    fastapi_apps = [{"app": data_docs, "url_prefix": "/data-docs", "name": "Data Docs"}]  # noqa: RUF012  # Airflow's form
    external_views = [  # noqa: RUF012
        {"name": "Data Docs", "href": "/data-docs/index.html", "destination": "nav", "url_route": "data-docs"}
    ]
