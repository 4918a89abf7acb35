"""Client of Airflow's API while its database is busy."""

import httpx
import pytest

from stack import airflow_api


def client_of(*codes):
    """Client of a server that answers with these codes, one after the other."""
    answers = iter(codes)
    transport = httpx.MockTransport(lambda request: httpx.Response(next(answers), json={"dags": []}, request=request))
    return httpx.Client(base_url="http://127.0.0.1:1", transport=transport)


@pytest.mark.parametrize(
    "call",
    [lambda client: airflow_api.get(client, "/dags"), lambda client: airflow_api.unpause(client, "ingest_daily")],
)
def test_a_locked_database_is_asked_again(call):
    call(client_of(500, 500, 200))


def test_a_server_that_stays_broken_is_an_error():
    with pytest.raises(httpx.HTTPStatusError, match="500"):
        airflow_api.unpause(client_of(500, 500, 500, 500), "ingest_daily")
