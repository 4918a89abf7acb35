"""What the dashboard's pages share."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from fastapi import Response

from pipelines.errors import PurseError
from pipelines.settings import Settings
from pipelines.tracking.registry import CHAMPION
from serving.dashboard.findings import Findings
from serving.dashboard.newest_population import Populations
from serving.dashboard.pages import Pages
from serving.dashboard.problems import Unavailable, UnknownChoice, UnknownUser, UnknownVersion
from serving.dashboard.registry_view import RegistryView
from serving.dashboard.values import UserScore
from serving.dashboard.versions import Version

SetAside = Callable[[], Sequence[tuple[str, str]]]
"""Users set aside by the live service until the next release, each with the reason."""

NewestScore = Callable[[str], UserScore | None]


class Dashboard:
    """What the pages share: settings, the population and the registry as last read, and the clock."""

    def __init__(
        self, settings: Settings, newest_score: NewestScore | None, set_aside: SetAside, now: Callable[[], datetime]
    ) -> None:
        self.settings, self.newest_score, self.set_aside, self.now = settings, newest_score, set_aside, now
        self.pages = Pages(settings)
        self.populations, self.registry = Populations(settings), RegistryView(settings)

    def warm(self) -> None:
        """Read ahead what the first page asks for."""
        self.registry.warm()
        try:
            self.populations.newest().largest({})
        except PurseError:
            return  # the page says so

    def page(self, template: str, title: str, build: Callable[[], object]) -> Response:
        """Render a page from a dataclass of its values, or say what to do."""
        common: dict[str, Any] = {"page": template.removesuffix(".html"), "now": self.now()}
        self.registry.warm()
        try:
            return self.pages.render(template, **common, **vars(build()))
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


def champion_of(dashboard: "Dashboard") -> tuple[Version | None, Findings, str | None]:
    """The champion, what was found out about it, and why this is not fresh; None and empty without one.

    Raises:
        PurseError: MLflow does not answer.
    """
    versions, problem = dashboard.registry.versions()
    champion = next((one for one in versions if one.role == CHAMPION), None)
    return champion, dashboard.registry.findings(champion) if champion else Findings(), problem
