"""Accepted rows that change no score are answered with the reason."""

from datetime import date

from tests.serving import stand_in
from tests.serving.api.test_events import event, send
from tests.serving.api.test_scores import order

DAY = date(2001, 3, 1)


def test_unknown_event_types_and_products_are_named(home, serve):
    stand_in.champion(home, "1", DAY, reads=["events", "order_lines"], products=["p1", "p2"])
    client = serve(home)
    odd = [event(1, event_type="veiw"), event(2, event_type="hover"), event(3, product_id="p9"), event(4)]
    answer = send(client, *odd, kind="events")
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 4
    of_type, of_product = answer.json()["notes"]
    assert of_type.startswith("No feature reads the event type 'veiw' (and 1 others). Types that count: view,")
    assert "does not know the product 'p9': " in of_product
    assert send(client, event(5, product_id="p1"), kind="events").json()["notes"] == []
    assert send(client, order(1, product_id="p2")).json()["notes"] == []
    (new,) = send(client, order(2, product_id="p3")).json()["notes"]
    assert "does not know the product 'p3'" in new


def test_a_model_that_reads_no_events_is_said(home, serve):
    stand_in.champion(home, "1", DAY, reads=["order_lines"])
    client = serve(home)
    (note,) = send(client, event(1, product_id="p9"), kind="events").json()["notes"]
    assert note.startswith("The active model, version 1, reads no events")
    assert send(client, order(1)).json()["notes"] == []


def test_a_source_without_products_has_no_unknown_ones(client):
    assert send(client, order(1)).json()["notes"] == []
    assert send(client, event(1, product_id="p9"), kind="events").json()["notes"] == []
