import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import httpx
import pytest

from pipelines.deploy import deploy
from pipelines.errors import NothingToDo, PurseError
from serving import app
from serving.engine.engines import Engines
from serving.service.state import Service
from tests.serving import stand_in
from tests.serving.api.test_scores import order, spend
from tests.serving.servers import free_port, wait_until

DAY, NEXT = date(2001, 3, 1), date(2001, 3, 2)


def post(client, action, **body):
    return client.post(f"/v1/admin/{action}", json=body)


def test_a_deploy_swaps_without_a_failed_request(client, home):
    stand_in.champion(home, "2", DAY)
    url, seen, failed, stop = str(client.base_url), [], [], threading.Event()

    def ask():
        with httpx.Client(base_url=url, trust_env=False) as one:
            while not stop.is_set():
                answer = one.post("/v1/scores", json={"user_ids": ["ann", "bob", "cat"]})
                if answer.status_code != 200:
                    failed.append(answer.text)
                    continue
                versions = {score["model_version"] for score in answer.json()["scores"]}
                if len(versions) != 1:
                    failed.append(f"mixed: {versions}")
                seen.extend(versions)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(seen) > 20, "requests are answered")
    answer = post(client, "deploy")
    assert answer.json()["deployed"] is True, answer.text
    wait_until(lambda: seen[-1] == "2", "the new release answers")
    time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert spend(client, "ann") == 600
    assert {folder.name for folder in (home.serving_folder / "releases").iterdir()} == {"1-2001-03-01", "2-2001-03-01"}


def test_what_a_killed_deploy_left_is_gone_after_the_next_start(home, serve):
    left = home.serving_folder / "incoming" / "9-2001-02-01"
    left.mkdir(parents=True)
    (left / "scores.parquet").write_bytes(b"half")
    client = serve(home)
    assert not left.exists()
    assert spend(client, "ann") == 300


def test_the_same_release_again_changes_nothing(client):
    assert post(client, "deploy").json() == {
        "deployed": False,
        "release": "1-2001-03-01",
        "canary": None,
        "warning": None,
    }


@pytest.mark.parametrize(
    ("about", "reason"), [({"difference": 0.5}, "differs by 0.5"), ({"milliseconds": 9999.0}, "takes 9999.0 ms")]
)
def test_a_release_that_fails_its_canary_is_refused_and_the_old_one_goes_on(client, home, about, reason):
    stand_in.champion(home, "2", DAY, **about)
    with pytest.raises(PurseError, match=reason):
        deploy(home, datetime.now(UTC))
    assert client.get("/v1/users/ann/score").json()["model_version"] == "1"
    found = client.get("/readyz").json()
    assert found["ready"] is True
    assert reason in found["problem"]
    assert not (home.serving_folder / "incoming").exists()
    stand_in.champion(home, "2", DAY)
    assert deploy(home, datetime.now(UTC))["release"] == "2-2001-03-01"
    assert client.get("/readyz").json()["problem"] is None
    lines = [json.loads(line) for line in (home.serving_folder / "audit.jsonl").read_text().splitlines()]
    assert [(line["action"], line["outcome"]) for line in lines] == [("deploy", "refused"), ("deploy", "done")]
    assert lines[0]["who"] == "steps of this home"
    assert (home.serving_folder / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_of_two_deploys_at_once_one_is_refused(client, home):
    stand_in.champion(home, "2", DAY, seconds=1)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda action: post(client, action), ["deploy", "deploy"]))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert "Another deploy or rollback is at work" in refused.json()["error"]


def test_a_rollback_answers_from_the_release_before_and_keeps_what_happened_since(client, home):
    client.post("/v1/orders", json={"order_lines": [order(1)]})
    wait_until(lambda: spend(client, "ann") == 350, "the order counts")
    stand_in.champion(home, "2", NEXT)
    assert post(client, "deploy").json()["deployed"] is True
    assert spend(client, "ann") == 600
    assert client.post("/v1/orders", json={"order_lines": [order(2)]}).status_code == 422
    assert post(client, "rollback", model_version="1").json() == {"rolled_back": True, "release": "1-2001-03-01"}
    found = client.get("/v1/users/ann/score").json()
    assert found["model_version"] == "1"
    wait_until(lambda: spend(client, "ann") == 350, "the order counts again")
    ready = client.get("/readyz").json()
    assert (ready["release"], ready["rolled_back"]) == ("1-2001-03-01", "2-2001-03-02")
    again = post(client, "rollback")
    assert again.status_code == 409
    assert "no release before" in again.json()["error"]


def test_a_rollback_to_another_version_is_refused_with_what_to_do(client, home):
    stand_in.champion(home, "2", DAY)
    post(client, "deploy")
    answer = post(client, "rollback", model_version="7")
    assert answer.status_code == 409
    assert "is of version 1 and not of 7. Run score_daily" in answer.json()["error"]
    assert post(client, "rollback", model_version="2").json()["rolled_back"] is False


def test_a_new_day_drops_older_rows_once_no_rollback_needs_them(client, home):
    store = client.app.state.service.store
    client.post("/v1/orders", json={"order_lines": [order(1)]})
    for version, day in (("2", NEXT), ("3", NEXT)):
        stand_in.champion(home, version, day)
        assert post(client, "deploy").json()["deployed"] is True
    found = store._writer.execute("SELECT count(*) FROM live_rows").fetchone()
    assert found == (0,)
    wait_until(lambda: len(list((home.serving_folder / "releases").iterdir())) == 2, "older releases are gone")


def test_a_restart_goes_on_with_the_release_in_force_without_a_champion(home, serve):
    first = serve(home)
    first.post("/v1/orders", json={"order_lines": [order(1)]})
    wait_until(lambda: spend(first, "ann") == 350, "the order counts")
    (home.home_path / "champion").unlink()
    with pytest.raises(PurseError, match="Another service runs"):
        asyncio.run(Service(home, stand_in.ENGINES).start())
    serve.all_end()
    again = serve(home)
    assert spend(again, "ann") == 350
    assert again.get("/readyz").json()["release"] == "1-2001-03-01"
    assert post(again, "deploy").status_code == 409
    assert spend(again, "ann") == 350


def test_a_release_that_no_longer_opens_answers_what_is_stored_until_it_is_written_again(home, serve):
    serve(home)
    serve.all_end()
    about = home.serving_folder / "releases" / "1-2001-03-01" / "about.json"
    about.write_text("{")
    champion = (home.home_path / "champion").read_text()
    (home.home_path / "champion").unlink()
    client = serve(home)
    assert spend(client, "ann") == 300
    wait_until(lambda: client.get("/readyz").json()["problem"], "the problem is told")
    assert client.get("/readyz").json()["engine"] == "failed"
    client.post("/v1/orders", json={"order_lines": [order(1)]})
    (home.home_path / "champion").write_text(champion)
    assert post(client, "deploy").json()["deployed"] is True
    wait_until(lambda: spend(client, "ann") == 350, "the order counts")
    assert client.get("/readyz").json()["problem"] is None


def test_without_a_service_there_is_nothing_to_deploy_to(home):
    with pytest.raises(NothingToDo, match="No live service answers"):
        deploy(home, datetime.now(UTC))


def test_a_service_that_starts_before_mlflow_deploys_when_it_answers_and_forgets_the_problem(home, serve, monkeypatch):
    tries = []

    def prepare(settings, root):
        tries.append(root)
        if len(tries) < 3:
            raise PurseError("MLflow at http://127.0.0.1:5000 does not answer.")
        return stand_in.prepare(settings, root)

    monkeypatch.setattr(app, "PAUSES", (0.05,) * 5)
    client = serve(home, engines=Engines(prepare, stand_in.StandInEngine))
    assert len(tries) == 3
    assert "problem" not in client.get("/readyz").json() or client.get("/readyz").json()["problem"] is None


def test_a_service_without_a_champion_does_not_try_again(settings, serve, monkeypatch):
    tries = []

    def prepare(*_):
        tries.append(1)
        raise NothingToDo("There is no champion yet.")

    monkeypatch.setattr(app, "PAUSES", (0.01,) * 5)
    empty = settings.with_changes(serving__port=free_port())
    serve(empty, ready=False, engines=Engines(prepare, stand_in.StandInEngine))
    wait_until(lambda: tries, "a deploy was tried")
    time.sleep(0.2)
    assert len(tries) == 1
