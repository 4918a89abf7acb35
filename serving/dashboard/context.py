"""What the dashboard's pages share."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response

from models.promotion import PROMOTED
from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.tracking.registry import CHAMPION
from serving.dashboard.findings import Findings
from serving.dashboard.language import COOKIE, COOKIE_SECONDS, LANGUAGES, _, gettext, requested, speaking
from serving.dashboard.newest_population import NothingScored, Populations
from serving.dashboard.pages import Pages
from serving.dashboard.problems import Unavailable, UnknownChoice, UnknownUser, UnknownVersion
from serving.dashboard.registry_view import RegistryView
from serving.dashboard.values import LiveRows, UserScore
from serving.dashboard.versions import Version

SetAside = Callable[[], Sequence[tuple[str, str]]]
"""Users set aside by the live service until the next release, each with the reason."""

NewestScore = Callable[[str], UserScore | None]

LiveRowsSince = Callable[[str, date], LiveRows]
"""What a user did on the days from a date on, as far as the live service knows."""


class Dashboard:
    """What the pages share: settings, the population and the registry as last read, and the clock."""

    def __init__(
        self,
        settings: Settings,
        newest_score: NewestScore | None,
        live_rows: LiveRowsSince,
        set_aside: SetAside,
        now: Callable[[], datetime],
    ) -> None:
        self.settings, self.newest_score, self.live_rows = settings, newest_score, live_rows
        self.set_aside, self.now = set_aside, now
        self.pages = Pages(settings)
        self.populations, self.registry = Populations(settings), RegistryView(settings)

    def warm(self) -> None:
        """Read ahead what the first page asks for."""
        self.registry.warm()
        try:
            self.populations.newest().largest({})
        except PurseError:
            return  # the page says so

    def page(self, request: Request, template: str, title: str, build: Callable[[], object]) -> Response:
        """Render a page from a dataclass of its values in the language of the request, or say what to do.

        Args:
            request: its language is `?lang=`, which is remembered, or what the browser prefers.
            template: file in templates/.
            title: heading where there is nothing to show, marked by `later`.
            build: gives the page's values.
        """
        self.registry.warm()
        with speaking(requested(request)):
            response = self._page(request, template, title, build)
        if request.query_params.get("lang") in LANGUAGES:
            response.set_cookie(COOKIE, request.query_params["lang"], COOKIE_SECONDS, samesite="lax", httponly=True)
        return response

    def _page(self, request: Request, template: str, title: str, build: Callable[[], object]) -> Response:
        others = [(name, value) for name, value in request.query_params.multi_items() if name != "lang" and value]
        name = template.removesuffix(".html")
        common: dict[str, Any] = {"page": name, "now": self.now(), "address": urlencode(others)}

        def message(status: int, title: str, text: str) -> Response:
            return self.pages.render("message.html", status, **common, title=title, text=text)

        try:
            return self.pages.render(template, **common, **vars(build()))
        except UnknownChoice as error:
            return message(422, _("There are no such users"), str(error))
        except UnknownVersion as error:
            return message(404, _("There is no such version"), str(error))
        except UnknownUser as error:
            return self.pages.render("users.html", 404, **common, user=None, user_id=error.user_id, problem=str(error))
        except Unavailable as error:
            return message(503, gettext(title), str(error))
        except PurseError as error:
            why = self._refusal() if isinstance(error, NothingScored) else ""
            return message(200, gettext(title), f"{error}{why}")

    def _refusal(self) -> str:
        """Why the last challenger was refused, which may be the reason that nobody is scored; empty if unknown."""
        try:
            champion, _findings, _problem = champion_of(self)
            found = None if champion else refused(self)
        except PurseError:
            return ""
        if found is None:
            return ""
        text = _("The last challenger, version %(number)s, was refused:", number=found.number)
        return f" {text} {found.decision}"


def champion_of(dashboard: "Dashboard") -> tuple[Version | None, Findings, str | None]:
    """The champion, what was found out about it, and why this is not fresh; None and empty without one.

    Raises:
        PurseError: MLflow does not answer.
    """
    versions, problem = dashboard.registry.versions()
    champion = next((one for one in versions if one.role == CHAMPION), None)
    return champion, dashboard.registry.findings(champion) if champion else Findings(), problem


def refused(dashboard: "Dashboard") -> Version | None:
    """The newest version whose decision was not to promote it; None without one.

    Raises:
        PurseError: MLflow does not answer.
    """
    versions, _problem = dashboard.registry.versions()
    return next((one for one in versions if one.outcome and one.outcome not in (*PROMOTED, "already_champion")), None)
