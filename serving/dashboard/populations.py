"""Which population the pages show: that of the newest scored snapshot, counted anew when the lake changes."""

from threading import Lock

from pipelines import lake
from pipelines.errors import PurseError
from pipelines.settings import Settings
from serving.dashboard.population import Population


class Populations:
    """Keeps the newest snapshot's population until the lake has a newer version of its tables."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, Lock()
        self._kept: tuple[tuple[int, int | None], Population] | None = None

    def newest(self) -> Population:
        """The population of the newest scored snapshot.

        Raises:
            PurseError: nothing was scored yet; the message says which step comes next.
        """
        settings = self._settings
        if not lake.exists(settings, "predictions"):
            raise _no_predictions(settings)
        predictions = lake.open_table(settings, "predictions")
        if not predictions.file_uris():
            raise _no_predictions(settings)
        users = lake.open_table(settings, "raw/users") if lake.exists(settings, "raw/users") else None
        versions = (predictions.version(), users.version() if users else None)
        with self._lock:
            if self._kept is None or self._kept[0] != versions:
                self._kept = (versions, Population(predictions, users))
            return self._kept[1]


def _no_predictions(settings: Settings) -> PurseError:
    if not lake.exists(settings, "raw/order_lines"):
        return PurseError(
            f"The lake at {settings.lake} holds no orders yet. Run 'make demo' for the data that comes with Purse, or "
            "'purse ingest' and 'purse validate' for your own."
        )
    return PurseError(
        "Nobody has been scored yet. Trigger retrain_daily in Airflow: it trains a champion, and score_daily follows "
        "it. By hand: 'purse build-features --for training' up to 'purse promote', then 'purse build-features' and "
        "'purse score'."
    )
