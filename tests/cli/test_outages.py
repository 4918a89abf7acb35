"""An outage of the object store ends a command with the code that makes Airflow try it for longer."""

import sys

import pytest

from cli import main
from pipelines.errors import ServiceDown
from pipelines.lake import tables
from pipelines.outages import outage
from tests.serving.servers import free_port


def test_a_closed_port_of_the_object_store_is_an_outage(settings, monkeypatch, capsys):
    address = f"http://127.0.0.1:{free_port()}"
    for name, value in {"ENDPOINT_URL": address, "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr(sys, "argv", ["purse", "score"])
    remote = settings.with_changes(lake_root="s3://bucket/lake")
    monkeypatch.setattr(main, "app", lambda: tables.open_table(remote, "raw/order_lines"))
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == ServiceDown.exit_code
    shown = capsys.readouterr().err
    assert f"Error: The object store does not answer ({address}/bucket: Connection refused" in shown
    assert "\x1b" not in shown


REFUSED = " in 1.063493ms - Server returned non-2xx status code\n \x1b[31m↳\x1b[0m 403 Forbidden"
BROKEN = (
    " in 1.86s, after 10 retries, max_retries\n \x1b[31m↳\x1b[0m 10, retry_timeout\n 180s  - Server returned non-2xx "
    "status code\n             \x1b[31m↳\x1b[0m 503 Service Unavailable\n"
)


def test_a_store_that_refuses_is_no_outage_and_one_that_cannot_serve_is():
    """The library's own messages about a server that answered 403 and 503."""
    begun = "Kernel error -> Generic S3 error\n ↳ Error performing GET http://s3/bucket/x?list-type=2"
    assert outage(OSError(begun + REFUSED)) is None
    assert "(http://s3/bucket/x: 503 Service Unavailable)" in str(outage(OSError(begun + BROKEN)))
