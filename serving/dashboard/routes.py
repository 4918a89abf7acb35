"""The dashboard's addresses. Every page answers, whatever is missing: with what there is, or with what to do."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from threading import Thread

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from pipelines.errors import PurseError
from pipelines.settings import Settings
from serving.clock import wall
from serving.dashboard import health_views, list_views, model_views, trust_views, user_views
from serving.dashboard.context import Dashboard, LiveRowsSince, NewestScore, SetAside
from serving.dashboard.language import later
from serving.dashboard.listing import as_csv
from serving.dashboard.problems import UnknownChoice
from serving.dashboard.segments import choice_of, segment_of
from serving.dashboard.values import LiveRows

NOTHING = later("Nothing to show yet")
FILE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""Headers of the file of users: nothing between reader and service keeps it."""


def router(
    settings: Settings,
    newest_score: NewestScore | None = None,
    set_aside: SetAside = tuple,
    now: Callable[[], datetime] = wall,
    live_rows: LiveRowsSince = lambda _user_id, _since: LiveRows(),
) -> APIRouter:
    """Pages `/`, `/list`, `/trust`, `/health`, `/model`, `/card` and `/users`, file `/users.csv`, and `/static/...`.

    Args:
        settings: name the lake, MLflow and where the other screens are.
        newest_score: the newest score of a user, live ones included, as the API answers it; None if there is none. By
            default the lake's newest prediction.
        set_aside: users set aside by the live service, with the reason.
        now: the time with zone, against which ages are shown.
        live_rows: what a user did from a day on, as far as the live service knows.
    """
    dashboard = Dashboard(settings, newest_score, live_rows, set_aside, now)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        Thread(target=dashboard.warm, daemon=True, name="dashboard").start()
        yield

    pages = APIRouter(include_in_schema=False, lifespan=lifespan)

    @pages.get("/")
    def today(request: Request) -> Response:
        choice = choice_of(request.query_params)
        return dashboard.page(request, "today.html", NOTHING, lambda: user_views.today(dashboard, choice))

    @pages.get("/list")
    def listed(request: Request) -> Response:
        return dashboard.page(request, "list.html", NOTHING, lambda: list_views.listed(dashboard, request.query_params))

    for name, view in (("trust", trust_views.trust), ("health", health_views.health)):
        pages.add_api_route(f"/{name}", _page(dashboard, f"{name}.html", view))

    @pages.get("/model")
    def model(request: Request, version: str | None = None) -> Response:
        title = later("The model can't be shown")
        return dashboard.page(request, "model.html", title, lambda: model_views.model(dashboard, version))

    @pages.get("/card")
    def card(request: Request, version: str | None = None) -> Response:
        title = later("There is no model card")
        return dashboard.page(request, "card.html", title, lambda: model_views.card(dashboard, version))

    @pages.get("/users")
    def users(request: Request, user_id: str = "") -> Response:
        return dashboard.page(request, "users.html", NOTHING, lambda: user_views.user(dashboard, user_id.strip()))

    @pages.get("/users.csv")
    def users_csv(request: Request) -> Response:
        return _file(dashboard, request.query_params)

    @pages.get("/static/{name}")
    def static(name: str) -> Response:
        return dashboard.pages.file(name) or Response("There is no such file.", 404, media_type="text/plain")

    return pages


def _page(dashboard: Dashboard, template: str, view: Callable[[Dashboard], object]) -> Callable[[Request], Response]:
    """Endpoint of a page that has no parameters."""

    def page(request: Request) -> Response:
        return dashboard.page(request, template, NOTHING, lambda: view(dashboard))

    return page


def _file(dashboard: Dashboard, query: Mapping[str, str]) -> Response:
    """The users that an address asks for, as a file."""
    try:
        population = dashboard.populations.newest()
        segment = segment_of(query, population)
        rows = as_csv(population, dashboard.settings, segment)
    except PurseError as error:
        status = 422 if isinstance(error, UnknownChoice) else 503
        return Response(str(error), status, media_type="text/plain", headers=FILE)
    name = "-".join(["users", str(population.snapshot), *(_plain(value) for value in segment.filters.values())])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', **FILE}
    return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)


def _plain(value: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in value)[:30]
