"""A user whose rows end the engine is found by halving, set aside, and tried again with the next release."""

import logging
from datetime import date

from tests.serving import stand_in
from tests.serving.api.test_scores import order
from tests.serving.servers import wait_until

DAY = date(2001, 3, 1)


def spend(client, user_id):
    answer = client.get(f"/v1/users/{user_id}/score")
    return answer.json()["expected_spend"] if answer.status_code == 200 else None


def deaths(home):
    """How many users were scored each time that the process died."""
    return [int(line) for line in (home.serving_folder / "deaths").read_text().split()]


def test_others_are_scored_and_the_poison_is_set_aside_until_the_next_release(home, serve, caplog):
    client = serve(home, engines=stand_in.DYING_ENGINES)
    users = ["ann", "bob", "killer", "cat"]
    lines = [order(number, user_id=user, amount=50) for number, user in enumerate(users)]
    with caplog.at_level(logging.WARNING):
        assert client.post("/v1/orders", json={"order_lines": lines}).status_code == 202
        wait_until(lambda: client.get("/readyz").json()["set_aside"] == 1, "the user is set aside", seconds=60)
        wait_until(lambda: spend(client, "cat") == 70, "the others are scored", seconds=60)
    assert [spend(client, user) for user in ("ann", "bob", "cat")] == [350, 150, 70]
    assert max(deaths(home)) > 1, "the process died of a batch"
    assert deaths(home)[-2:] == [1, 1], "and of the user alone, twice"
    assert "purse_set_aside_users 1.0" in client.get("/metrics").text

    # more rows of the same user end no process; others go on
    before = len(deaths(home))
    more = [order(10, user_id="killer", amount=1), order(11, user_id="ann", amount=1)]
    client.post("/v1/orders", json={"order_lines": more})
    wait_until(lambda: spend(client, "ann") == 351, "the others go on", seconds=60)
    assert len(deaths(home)) == before

    # a restart still knows
    serve.all_end()
    again = serve(home, engines=stand_in.DYING_ENGINES)
    assert again.get("/readyz").json()["set_aside"] == 1
    serve.all_end()

    # the next release, whose engine can score the user, does; nothing was lost
    stand_in.champion(home, "2", DAY)
    mended = serve(home)
    assert mended.post("/v1/admin/deploy").json()["deployed"] is True
    assert mended.get("/readyz").json()["set_aside"] == 0
    wait_until(lambda: spend(mended, "killer") == 2 * 51, "the user's rows count", seconds=60)
