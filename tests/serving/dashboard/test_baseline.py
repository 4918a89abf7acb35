"""A baseline that scores is named on every page, and a shop without a champion is told why."""

import csv
import io
import re
import shutil
from html import unescape

import pyarrow as pa
import pytest

from pipelines.lake import tables
from pipelines.tracking.registry import BASELINE, CHAMPION
from pipelines.tracking.runs import connect
from tests.serving.dashboard.conftest import A_DAY, SNAPSHOT, USERS, predictions

NOTICE = "These scores are a baseline's, not a model's: recent spend, half after 56 days (spend_decayed_56d)."
PAGES = ("/", "/list", "/users?user_id=user-07", "/trust", "/model")


def text_of(response):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.text)).split())


@pytest.fixture(scope="module")
def shop(scored, tmp_path_factory):
    """The shop with everything, whose newest scores and champion are a baseline's."""
    home = tmp_path_factory.mktemp("baseline") / "home"
    shutil.copytree(scored.home_path, home)
    settings = scored.with_changes(home=str(home))
    rows = predictions(SNAPSHOT, USERS, 10.0).assign(baseline="spend_decayed_56d")
    stored = pa.Table.from_pandas(rows, preserve_index=False)
    tables.replace(settings, "predictions", stored, "snapshot_date", SNAPSHOT, SNAPSHOT + A_DAY)
    client = connect(settings)
    client.set_model_version_tag(settings.mlflow.model_name, "1", BASELINE, "spend_decayed_56d")
    run_id = client.get_model_version(settings.mlflow.model_name, "1").run_id
    for name, value in {
        "baseline_spend_decayed_56d_ngini": 0.55,
        "user_folds": 2,
        "validation_ngini": 0.5,
        "validation_ngini_error": 0.02,
    }.items():
        client.log_metric(run_id, name, value)
    return settings


@pytest.mark.parametrize("page", PAGES)
def test_every_page_names_the_baseline(shop, make_client, page):
    with make_client(shop) as client:
        assert NOTICE in text_of(client.get(page))


@pytest.mark.parametrize("page", PAGES)
def test_a_model_has_no_such_notice(client, page):
    assert "a baseline's, not a model's" not in text_of(client.get(page))


def test_the_download_has_the_name_in_each_row(shop, make_client):
    with make_client(shop) as client:
        rows = list(csv.DictReader(io.StringIO(client.get("/users.csv").content.decode("utf-8-sig"))))
    assert {row["baseline"] for row in rows} == {"spend_decayed_56d"}


def test_the_model_stands_beside_every_baseline_best_first(shop, make_client):
    with make_client(shop) as client:
        page = text_of(client.get("/model"))
    assert "The best baseline" in page
    assert "recent spend, half after 56 days spend_decayed_56d 0.550 least squares on RFM linear_rfm 0.520" in page


def test_trust_says_days_not_users_and_both_views_with_user_folds(shop, make_client, client):
    with make_client(shop) as folded:
        page = text_of(folded.get("/trust"))
    assert "Measured on days that the champion has not learned from, of users whose earlier days it knows:" in page
    assert "on users that the predicting model had never seen and on later days, the order of users was 0.500" in page
    assert "had never seen" not in text_of(client.get("/trust"))


def test_without_a_champion_the_pages_say_why_the_challenger_was_refused(scored, tmp_path, make_client):
    shutil.copytree(scored.home_path, tmp_path / "home")
    settings = scored.with_changes(home=str(tmp_path / "home"))
    shutil.rmtree(tmp_path / "home" / "lake" / "predictions")
    connect(settings).delete_registered_model_alias(settings.mlflow.model_name, CHAMPION)
    with make_client(settings) as client:
        for page in ("/", "/list", "/trust"):
            assert "The last challenger, version 2, was refused: Not promoted: gain -0.0100." in text_of(
                client.get(page)
            )
