"""One user's path through real services: start, demo on a cut of Ta-Feng, look at every screen, stop."""

import shutil

import httpx
import pandas as pd
import psutil
import pytest
from PIL import Image

from pipelines.lake import tables
from pipelines.lake.rows import snapshot_rows
from pipelines.settings import REPOSITORY
from pipelines.tracking import registry
from pipelines.tracking.experiments import experiment_id
from pipelines.tracking.login import mlflow_login
from pipelines.tracking.runs import connect
from scripts import screenshots
from stack import airflow_api, demo, processes, services
from tests.integration.attacks import ATTACKS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def scored(stack):
    """The stack after the three DAGs have run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "160")
        demo.run(stack)
    return stack


@pytest.fixture
def airflow(scored):
    with airflow_api.connect(scored) as client:
        yield client


def predictions(settings) -> pd.DataFrame:
    """Newest predictions."""
    newest = tables.days(settings, "predictions", "snapshot_date")[-1]
    return snapshot_rows(tables.connect(), settings, "predictions", newest).to_pandas()


def test_every_shopper_of_the_cut_is_scored_once(scored):
    users = tables.read(tables.connect(), scored, "raw/order_lines").user_id.nunique().to_pandas()
    rows = predictions(scored)
    assert len(rows) == rows["user_id"].nunique() == users > 1000
    assert rows["score"].between(0, 100).all()
    assert rows["purchase_probability"].between(0, 1).all()
    assert set(rows["tier"]) == {"high", "mid", "low"}


def test_the_export_holds_the_same_rows(scored):
    rows = predictions(scored)
    export = sorted(scored.exports.glob("scores_*.csv"))[-1]
    exported = pd.read_csv(export, dtype={"user_id": str})
    assert sorted(exported["user_id"]) == sorted(rows["user_id"])
    assert exported["expected_spend"].sum() == pytest.approx(rows["expected_spend"].sum(), rel=1e-4)


def test_the_champion_in_the_registry_made_the_predictions(scored):
    server = scored.with_changes(mlflow__tracking_uri=services.status(scored)["mlflow_url"])
    version = registry.version_of(connect(server), scored.mlflow.model_name, registry.CHAMPION)
    assert version is not None
    assert set(predictions(scored)["model_version"].astype(str)) == {version}


def test_no_run_is_left_running_in_mlflow(scored):
    client = connect(scored)
    runs = client.search_runs([experiment_id(client, scored)])
    assert len(runs) >= 5  # a parent and its four trials
    assert {run.info.status for run in runs} == {"FINISHED"}


@pytest.mark.parametrize("dag_id", demo.DAGS)
def test_the_newest_run_of_each_dag_succeeded(airflow, dag_id):
    assert airflow_api.newest_runs(airflow, dag_id)[0]["state"] == "success"


def test_networks_have_their_pool(airflow):
    assert airflow_api.get(airflow, "/pools/gpu")["slots"] == 1


@pytest.mark.parametrize("screen", ["airflow_url", "mlflow_url"])
def test_the_screens_answer(scored, screen):
    login = mlflow_login(scored) if screen == "mlflow_url" else None
    answer = httpx.get(services.status(scored)[screen], auth=login, follow_redirects=True, trust_env=False)
    assert answer.status_code == 200
    assert "<html" in answer.text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on PATH")
def test_the_pictures_of_the_docs_are_written(scored, tmp_path):
    screenshots.write(scored, tmp_path)
    sizes = {}
    for screen in screenshots.SCREENS:
        with Image.open(tmp_path / f"{screen.name}.png") as picture:
            sizes[screen.name] = picture.size
            assert len(picture.getcolors(screenshots.COLOURS)) > 50  # an empty page has a handful
    assert sizes == {screen.name: screen.size for screen in screenshots.SCREENS}
    shipped = {path.stem for path in (REPOSITORY / "docs" / "images").glob("*.png")}
    assert shipped == set(sizes)


def test_nobody_reaches_airflow_without_the_login(scored):
    answer = httpx.get(f"{services.status(scored)['airflow_url']}/api/v2/dags", trust_env=False)
    assert answer.status_code == 401


def test_services_listen_on_loopback_only(scored):
    names = list(services.status(scored)["services"])
    listening = [
        connection.laddr.ip
        for process in processes.members(scored.home_path, names)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_on_the_running_stack_fails(scored, attack):
    attack(scored)


def test_a_second_up_starts_nothing(scored):
    before = services.status(scored)["services"]
    assert services.up(scored)["started"] == []
    assert services.status(scored)["services"] == before


def test_up_restarts_only_what_was_killed(scored):
    before = services.status(scored)["services"]
    killed = psutil.Process(before["dag-processor"])
    killed.kill()
    killed.wait()  # until then it counts as running
    assert services.up(scored)["started"] == ["dag-processor"]
    after = services.status(scored)["services"]
    assert {name for name in after if after[name] != before[name]} == {"dag-processor"}


def test_down_leaves_no_process(scored):
    names = list(services.status(scored)["services"])
    members = processes.members(scored.home_path, names)
    assert len(members) >= len(names)
    services.down(scored)
    assert not any(process.is_running() for process in members)
    assert processes.members(scored.home_path, names) == []
