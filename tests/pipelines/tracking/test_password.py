"""A tracking server's password is in no message."""

import pytest

from pipelines.errors import PurseError, ServiceDown, UnusableModel
from pipelines.tracking.runs import connect
from tests.serving.servers import free_port


def test_a_tracking_server_that_does_not_answer_is_named_without_its_password(settings, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(ServiceDown) as down:
        connect(settings.with_changes(mlflow__tracking_uri=f"http://purse:s3cret@{address}"))
    assert str(down.value).startswith(f"MLflow at http://purse:***@{address} does not answer")
    assert "s3cret" not in str(down.value)


@pytest.mark.parametrize("kind", [PurseError, UnusableModel])
def test_every_message_leaves_passwords_of_urls_out(kind):
    shown = str(kind("at postgresql://me:a@b:c@db:5432/x and redis://:word@cache, not http://host:80/x@y"))
    assert shown == "at postgresql://me:***@db:5432/x and redis://:***@cache, not http://host:80/x@y"
