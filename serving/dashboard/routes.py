"""The dashboard's addresses. Every page answers, whatever is missing: with what there is, or with what to do."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from threading import Thread
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from pipelines.errors import PurseError
from pipelines.settings import Settings
from serving.clock import wall
from serving.dashboard import model_views, people, user_views
from serving.dashboard.newest_population import Populations
from serving.dashboard.pages import Pages
from serving.dashboard.problems import Unavailable, UnknownChoice, UnknownUser, UnknownVersion
from serving.dashboard.registry_view import RegistryView

FILE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""Headers of the file of users: nothing between reader and service keeps it."""

NewestScore = Callable[[str], dict[str, Any] | None]


class Dashboard:
    """What the pages share: settings, the population and the registry as last read, and the clock."""

    def __init__(self, settings: Settings, newest_score: NewestScore | None, now: Callable[[], datetime]) -> None:
        self.settings, self.newest_score, self.now = settings, newest_score, now
        self.pages = Pages(settings)
        self.populations, self.registry = Populations(settings), RegistryView(settings)

    def warm(self) -> None:
        """Read ahead what the first page asks for."""
        self.registry.warm()
        try:
            self.populations.newest().largest({})
        except PurseError:
            return  # the page says so

    def page(self, template: str, title: str, build: Callable[[], dict[str, Any]]) -> Response:
        """Render a page, or say what to do."""
        common: dict[str, Any] = {"page": template.removesuffix(".html"), "now": self.now()}
        self.registry.warm()
        try:
            return self.pages.render(template, **common, **build())
        except UnknownChoice as error:
            return self.pages.render("message.html", 422, **common, title="There are no such users", text=str(error))
        except UnknownVersion as error:
            return self.pages.render("message.html", 404, **common, title="There is no such version", text=str(error))
        except UnknownUser as error:
            return self.pages.render("users.html", 404, **common, user=None, user_id=error.user_id, problem=str(error))
        except Unavailable as error:
            return self.pages.render("message.html", 503, **common, title=title, text=str(error))
        except PurseError as error:
            return self.pages.render("message.html", **common, title=title, text=str(error))


def router(
    settings: Settings, newest_score: NewestScore | None = None, now: Callable[[], datetime] = wall
) -> APIRouter:
    """The pages `/`, `/trust`, `/model`, `/card` and `/users`, the file `/users.csv` and `/static/...`.

    Args:
        settings: name the lake, MLflow and where the other screens are.
        newest_score: the newest score of a user, live ones included, as the API answers it; None if there is none. By
            default the lake's newest prediction.
        now: the time with zone, against which ages are told.
    """
    dashboard = Dashboard(settings, newest_score, now)

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
