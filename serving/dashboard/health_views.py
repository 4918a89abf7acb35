"""What the page of health is given: the newest findings of `purse doctor`."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pipelines import links
from pipelines.results.health import Examined
from pipelines.results.result import read_result
from pipelines.settings import Settings

if TYPE_CHECKING:
    from serving.dashboard.context import Dashboard


@dataclass(frozen=True)
class Health:
    """The page of health: the newest examination, None before the first, and the address of its DAG."""

    examined: Examined | None
    dag: str


def health(dashboard: "Dashboard") -> Health:
    """Collect the newest examination."""
    settings = dashboard.settings
    return Health(newest(settings), links.dag_url(settings, "doctor_daily"))


def newest(settings: Settings) -> Examined | None:
    """Read the newest examination of the home; None before the first.

    Raises:
        PurseError: another version of Purse wrote it; the message names the command to run.
    """
    days = sorted(file.parent.name for file in settings.home_path.glob("results/*/doctor.json"))
    return read_result(settings, date.fromisoformat(days[-1]), Examined) if days else None
