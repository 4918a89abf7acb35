"""What a scoring or a monitoring starts from, and whether newer data arrived during it."""

from datetime import date, timedelta

import pyarrow as pa
import pytest

from pipelines.lake import tables
from pipelines.retraining.inputs import mark, newest_date
from pipelines.tracking.champion import set_champion
from pipelines.tracking.runs import connect
from pipelines.tracking.seals import version_tags

FIRST, SECOND, THIRD = (date(2024, 1, 1) + timedelta(days=number) for number in range(3))


def store(settings, name, column, day):
    tables.replace(settings, name, pa.table({column: [day], "rows": [1]}), column, day, day + timedelta(days=1))


def test_scoring_takes_the_newest_of_its_events_and_the_lake(settings):
    store(settings, "raw/order_lines", "day", SECOND)
    for of_events in (FIRST, SECOND, THIRD):
        assert newest_date(settings, "scoring", of_events, THIRD) == THIRD
    assert newest_date(settings, "scoring", THIRD + timedelta(days=1), THIRD) == THIRD + timedelta(days=1)


def test_monitoring_takes_the_newest_scored_date(settings):
    store(settings, "raw/order_lines", "day", THIRD)
    assert newest_date(settings, "monitoring", date.min, THIRD) == THIRD + timedelta(days=1)
    store(settings, "predictions", "snapshot_date", SECOND)
    assert newest_date(settings, "monitoring", FIRST, THIRD) == SECOND
    assert newest_date(settings, "monitoring", THIRD, THIRD) == THIRD


@pytest.fixture
def champion(settings):
    """Set the alias of a version, without a model behind it."""
    client = connect(settings)
    client.create_registered_model(settings.mlflow.model_name)

    def promote():
        run = client.create_run("0").info.run_id
        name = settings.mlflow.model_name
        version = str(client.create_model_version(name, f"runs:/{run}/model", run).version)
        for tag, value in version_tags(settings, name, version, "0").items():
            client.set_model_version_tag(name, version, tag, value)
        set_champion(settings, client, version)

    promote()
    return promote


def test_the_mark_changes_with_the_lake_the_scores_and_the_champion(settings, champion):
    store(settings, "raw/order_lines", "day", FIRST)
    store(settings, "predictions", "snapshot_date", SECOND)
    scoring, monitoring = (mark(settings, purpose) for purpose in ("scoring", "monitoring"))
    assert mark(settings, "scoring") == scoring
    store(settings, "raw/order_lines", "day", FIRST)  # late rows of a known day
    assert mark(settings, "scoring") != scoring
    assert mark(settings, "monitoring") == monitoring
    scoring = mark(settings, "scoring")
    store(settings, "predictions", "snapshot_date", SECOND)
    assert mark(settings, "scoring") == scoring
    assert mark(settings, "monitoring") != monitoring
    champion()
    assert mark(settings, "scoring") != scoring
