import json

import pytest

from tests.serving.servers import wait_until


def order(number: int = 1, user_id: str = "ann", **changes):
    line = {
        "order_id": f"o{number}",
        "product_id": "p",
        "line": 1,
        "user_id": user_id,
        "ordered_at": "2001-03-01T00:00:00",
        "quantity": 1,
        "unit_price": 50,
        "amount": 50,
    }
    return line | changes


def spend(client, user_id):
    return client.get(f"/v1/users/{user_id}/score").json()["expected_spend"]


def test_a_score_names_its_model_its_snapshot_and_its_age(client):
    answer = client.get("/v1/users/ann/score")
    assert answer.status_code == 200
    found = answer.json()
    age = found.pop("age_seconds")
    assert 0 <= age < 86_400
    assert found == {
        "user_id": "ann",
        "score": 50.0,
        "tier": "high",
        "expected_spend": 300.0,
        "spend_low": 0.0,
        "spend_high": 600.0,
        "purchase_probability": 0.5,
        "reasons": ["spent much", "bought lately"],
        "basis": "orders",
        "model_version": "1",
        "baseline": None,
        "snapshot_date": "2001-03-01",
        "horizon_days": 28,
        "scored_at": "2001-03-01T02:00:01Z",
        "live": False,
    }
    assert answer.headers["purse-release"] == "1-2001-03-01"


def test_many_scores_come_in_the_order_asked_for_and_unknown_ids_are_named(client):
    found = client.post("/v1/scores", json={"user_ids": ["dan", "eve", "ann", "dan"]}).json()
    assert [one["user_id"] for one in found["scores"]] == ["dan", "ann"]
    assert found["unknown"] == ["eve"]
    assert found["model_version"] == "1"
    assert {"age_seconds", "live"} <= found["scores"][0].keys()


def test_a_million_ids_at_once_are_refused_with_what_to_do(client, home, serve):
    body = json.dumps({"user_ids": [str(number) for number in range(1_000_000)]})
    answer = client.post("/v1/scores", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert "send it in parts" in answer.json()["error"]
    large = home.with_changes(home=str(home.home_path / "other"), serving__max_body_kilobytes=20_000)
    other = serve(large.with_changes(serving__port=0 or home.serving.port + 1), ready=False)
    answer = other.post("/v1/scores", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert "at most 10000" in answer.json()["error"]


def test_a_body_in_chunks_is_limited_too(client):
    def chunks():
        yield b'{"user_ids": ["'
        for _ in range(40):
            yield b"x" * 65_536
        yield b'"]}'

    answer = client.post("/v1/scores", content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_an_unknown_user_is_told_what_to_do_or_scored_as_one_without_history(client):
    answer = client.get("/v1/users/eve/score")
    assert answer.status_code == 404
    assert "?cold_start=true" in answer.json()["error"]
    assert answer.headers["purse-release"] == "1-2001-03-01"
    found = client.get("/v1/users/eve/score", params={"cold_start": True}).json()
    assert (found["user_id"], found["live"], found["expected_spend"]) == ("eve", True, 0.0)
    assert client.get("/v1/users/eve/score").status_code == 404


@pytest.mark.parametrize("user_id", ["a%2Fb", "a%20b", "%C3%BC", "..%2F..%2Fetc", "%27%3B--"])
def test_any_id_can_be_asked_for(client, user_id):
    assert client.get(f"/v1/users/{user_id}/score").status_code == 404
    assert client.get(f"/v1/users/{user_id}/explanation").status_code == 404


@pytest.mark.parametrize("path", ["/score", f"{'x' * 201}/score", "ann/score?cold_start=x"])
def test_an_id_that_cannot_be_is_told(client, path):
    answer = client.get(f"/v1/users/{path}")
    assert answer.status_code == 422
    assert answer.json()["faults"]


def test_someone_never_seen_is_scored_from_their_rows_and_not_kept(client):
    line = {name: value for name, value in order().items() if name != "user_id"}
    body = {"order_lines": [line], "profile": {"region": "north"}}
    found = client.post("/v1/score", json=body).json()
    assert (found["expected_spend"], found["live"], found["user_id"]) == (50.0, True, "")
    assert client.post("/v1/score", json={}).json()["expected_spend"] == 0
    faulty = client.post("/v1/score", json={"order_lines": [line | {"amount": -1}]})
    assert faulty.status_code == 422
    assert faulty.json()["faults"][0]["rule"] == "amount_not_negative_when_bought"


def test_an_explanation_counts_what_happened_since(client):
    assert client.get("/v1/users/ann/explanation").json()["happened_since"] == {}
    client.post("/v1/orders", json={"order_lines": [order(1), order(2)]})
    wait_until(lambda: spend(client, "ann") == 400, "the orders count")
    found = client.get("/v1/users/ann/explanation").json()
    assert found["happened_since"] == {"order_lines": 2}
    assert found["reasons"] == ["spent much", "bought lately"]


def test_tiers_have_shares_and_thresholds(client):
    found = client.get("/v1/tiers").json()
    high, mid, low = sorted(found["tiers"], key=lambda tier: -tier["lowest_expected_spend"])
    assert (high["tier"], high["users"], high["share_of_users"]) == ("high", 1, 0.25)
    assert high["share_of_expected_spend"] == pytest.approx(300 / 420)
    assert low["users"] == 2
    assert mid["lowest_expected_spend"] == 100
    assert found["model_version"] == "1"


def test_without_a_release_every_score_is_503_that_says_how_to_get_one(home, serve):
    (home.home_path / "champion").unlink()
    client = serve(home, ready=False)
    line = {name: value for name, value in order().items() if name != "user_id"}
    for answer in (
        client.get("/v1/users/ann/score"),
        client.post("/v1/scores", json={"user_ids": ["ann"]}),
        client.post("/v1/score", json={"order_lines": [line]}),
        client.post("/v1/orders", json={"order_lines": [order()]}),
        client.get("/v1/tiers"),
        client.get("/v1/users/ann/explanation"),
    ):
        assert answer.status_code == 503
        assert "retrain_daily" in answer.json()["error"]
    assert client.get("/healthz").status_code == 200
    found = client.get("/readyz")
    assert found.status_code == 503
    assert found.json()["ready"] is False


def test_ready_says_what_is_in_force_and_how_mlflow_is(home, serve):
    client = serve(home.with_changes(mlflow__tracking_uri="http://127.0.0.1:1"))
    found = client.get("/readyz").json()
    assert (found["ready"], found["release"], found["engine"]) == (True, "1-2001-03-01", "ready")
    assert (found["set_aside"], found["problem"]) == (0, None)
    assert client.get("/v1/users/ann/score").status_code == 200


def test_metrics_count_requests_by_route(client):
    client.get("/v1/users/ann/score")
    text = client.get("/metrics").text
    line = 'purse_requests_total{method="GET",route="/v1/users/{user_id}/score",status="200"} 1.0'
    assert line in text
    assert 'purse_release{model_version="1",snapshot_date="2001-03-01"} 1.0' in text
    assert "ann" not in text


def test_what_is_asked_in_the_wrong_way_is_told(client):
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert "Content-Type: application/json" in client.post("/v1/scores", content=b"a=b", headers=form).json()["error"]
    assert "does not accept DELETE" in client.delete("/v1/scores").json()["error"]
    assert "/ for the dashboard" in client.get("/v1/userz").json()["error"]


def test_an_id_that_no_store_can_hold_is_told(client):
    for path in ("/v1/users/a%00b/score", "/v1/users/a%00b/explanation"):
        answer = client.get(path)
        assert (answer.status_code, "NUL" in answer.json()["error"]) == (422, True)
