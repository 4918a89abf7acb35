"""Population of the newest scored snapshot, counted again when the lake changes."""

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from threading import Lock

from pipelines.errors import PurseError
from pipelines.lake import tables
from pipelines.settings import Settings
from serving.dashboard.population import Population

PATIENCE_SECONDS = 0.5
"""How long a page waits for new scores to be counted before it shows the ones before, which it names."""

Versions = tuple[int, int | None]


class Populations:
    """Keeps the newest snapshot's population; after a change of the lake another one is counted in the background."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="population")
        self._counting: tuple[Versions, Future[Population]] | None = None
        self._counted: Population | None = None

    def newest(self) -> Population:
        """The population of the newest scored snapshot, or the one before while the newest is being counted.

        Raises:
            PurseError: nothing was scored yet; the message says which step comes next.
        """
        future, kept = self._begin(), self._counted
        try:
            self._counted = future.result(PATIENCE_SECONDS if kept else None)
        except FutureTimeout:
            if kept is None:
                raise
            return kept
        return self._counted

    def _begin(self) -> "Future[Population]":
        settings = self._settings
        if not tables.exists(settings, "predictions"):
            raise _no_predictions(settings)
        predictions = tables.open_table(settings, "predictions")
        if not predictions.file_uris():
            raise _no_predictions(settings)
        users = tables.open_table(settings, "raw/users") if tables.exists(settings, "raw/users") else None
        versions = (predictions.version(), users.version() if users else None)
        with self._lock:
            counting = self._counting
            if counting is None or counting[0] != versions or (counting[1].done() and counting[1].exception()):
                counting = self._counting = (versions, self._thread.submit(Population, predictions, users))
            return counting[1]


class NothingScored(PurseError):  # noqa: N818 - not a fault
    """There are orders, but nobody has been scored yet."""


def _no_predictions(settings: Settings) -> PurseError:
    if not tables.exists(settings, "raw/order_lines"):
        return PurseError(
            f"The lake at {settings.lake} holds no orders yet. Run 'make demo' for the data that comes with Purse, or "
            "'purse ingest' and 'purse validate' for your own."
        )
    return NothingScored(
        "Nobody has been scored yet. Trigger retrain_daily in Airflow: it trains a champion, and score_daily follows "
        "it. By hand: 'purse build-features --for training' up to 'purse promote', then 'purse build-features' and "
        "'purse score'."
    )
