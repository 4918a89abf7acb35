from datetime import UTC, date, datetime, timedelta

from serving.clock import Clock, in_seconds
from serving.stores.protocol import Waiting
from tests.serving.api.test_scores import order
from tests.serving.servers import wait_until

DAY = date(2001, 3, 1)


def test_over_historical_data_today_is_the_day_on_which_it_ends(settings):
    clock = Clock(settings, lambda: DAY)
    assert clock.historical
    assert clock.today() == DAY
    assert clock.tomorrow() == date(2001, 3, 2)
    before = datetime.now(UTC).replace(tzinfo=None, year=2001, month=3, day=1)
    assert abs(clock.now() - before) < timedelta(seconds=5) or before.hour == 23


def test_a_live_shop_and_one_without_a_release_go_by_the_wall(settings):
    live = settings.with_changes(ingest__max_staleness_days=2)
    for clock in (Clock(live, lambda: DAY), Clock(settings, lambda: None)):
        assert abs(clock.now() - datetime.now(UTC).replace(tzinfo=None)) < timedelta(seconds=5)
    assert Clock(live.with_changes(serving__clock="data"), lambda: DAY).today() == DAY


def test_times_are_in_the_zone_of_the_source(settings, in_taipei):
    clock = Clock(settings.with_changes(source=in_taipei), lambda: None)
    assert clock.local(datetime(2001, 3, 1, 16, tzinfo=UTC)) == datetime(2001, 3, 2)  # noqa: DTZ001


def test_seconds_count_from_midnight_of_a_day():
    assert in_seconds(date(1970, 1, 2)) == 86_400
    assert in_seconds(datetime(1970, 1, 1, 0, 1)) == 60  # noqa: DTZ001


def test_a_new_day_closes_the_one_before_and_scores_live_users_again(client):
    service = client.app.state.service
    client.post("/v1/orders", json={"order_lines": [order(1)]})
    wait_until(lambda: client.get("/v1/users/ann/score").json()["live"], "the order counts")
    service.clock.now = lambda: datetime(2001, 3, 2, 0, 0, 1)  # noqa: DTZ001
    wait_until(
        lambda: client.get("/v1/users/ann/score").json()["snapshot_date"] == "2001-03-03", "the new day has its scores"
    )
    assert service.current.engine.result().closed_days == ["o1"]


def test_a_new_day_is_noticed_while_rows_keep_coming(client):
    """Between rows that never end there is always somebody who waits."""
    service = client.app.state.service
    read = service.store.waiting

    async def always_somebody(limit):
        return await read(limit) or [Waiting("bob", 0)]

    client.post("/v1/orders", json={"order_lines": [order(1)]})
    wait_until(lambda: client.get("/v1/users/ann/score").json()["live"], "the order counts")
    service.store.waiting = always_somebody
    service.arrived.set()
    wait_until(lambda: client.get("/v1/users/bob/score").json()["live"], "it is busy")
    service.clock.now = lambda: datetime(2001, 3, 2, 0, 0, 1)  # noqa: DTZ001
    engine = service.current.engine.result()
    wait_until(lambda: engine.closed_days == ["o1"], "the day before is closed", seconds=5)
