"""The dashboard's addresses. Every page answers, whatever is missing: with what there is, or with what to do."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from threading import Thread

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from pipelines.errors import PurseError
from pipelines.settings import Settings
from serving.clock import wall
from serving.dashboard import model_views, people, user_views
from serving.dashboard.context import Dashboard, NewestScore, SetAside
from serving.dashboard.problems import UnknownChoice

FILE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""Headers of the file of users: nothing between reader and service keeps it."""


def router(
    settings: Settings,
    newest_score: NewestScore | None = None,
    set_aside: SetAside = tuple,
    now: Callable[[], datetime] = wall,
) -> APIRouter:
    """The pages `/`, `/trust`, `/model`, `/card` and `/users`, the file `/users.csv` and `/static/...`.

    Args:
        settings: name the lake, MLflow and where the other screens are.
        newest_score: the newest score of a user, live ones included, as the API answers it; None if there is none. By
            default the lake's newest prediction.
        set_aside: users set aside by the live service, with the reason.
        now: the time with zone, against which ages are shown.
    """
    dashboard = Dashboard(settings, newest_score, set_aside, now)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        Thread(target=dashboard.warm, daemon=True, name="dashboard").start()
        yield

    pages = APIRouter(include_in_schema=False, lifespan=lifespan)

    @pages.get("/")
    def today(request: Request) -> Response:
        choice = _choice(request)
        return dashboard.page("today.html", "Nothing to show yet", lambda: user_views.today(dashboard, choice))

    @pages.get("/trust")
    def trust() -> Response:
        return dashboard.page("trust.html", "Nothing to show yet", lambda: model_views.trust(dashboard))

    @pages.get("/model")
    def model(version: str | None = None) -> Response:
        return dashboard.page("model.html", "The model can't be shown", lambda: model_views.model(dashboard, version))

    @pages.get("/card")
    def card(version: str | None = None) -> Response:
        return dashboard.page("card.html", "There is no model card", lambda: model_views.card(dashboard, version))

    @pages.get("/users")
    def users(user_id: str = "") -> Response:
        return dashboard.page("users.html", "Nothing to show yet", lambda: user_views.user(dashboard, user_id.strip()))

    @pages.get("/users.csv")
    def users_csv(request: Request) -> Response:
        choice = _choice(request)
        try:
            population = dashboard.populations.newest()
            rows = people.as_csv(population, choice)
        except PurseError as error:
            return Response(
                str(error),
                422 if isinstance(error, UnknownChoice) else 503,
                media_type="text/plain",
                headers=FILE,
            )
        name = "-".join(["users", str(population.snapshot), *(_plain(value) for value in choice.values())])
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', **FILE}
        return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)

    @pages.get("/static/{name}")
    def static(name: str) -> Response:
        return dashboard.pages.file(name) or Response("There is no such file.", 404, media_type="text/plain")

    return pages


def _choice(request: Request) -> dict[str, str]:
    """The filters of the form; those that were left empty choose nobody out."""
    return {name: value for name, value in request.query_params.items() if value}


def _plain(value: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in value)[:30]
