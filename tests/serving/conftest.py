"""The service over real HTTP, on a free port in a thread, with the engine of stand_in.py."""

import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest

from pipelines.settings import REPOSITORY, Settings, load_settings
from serving.app import create_app
from serving.engine.engines import Engines
from serving.server import create_server
from tests.serving import stand_in
from tests.serving.servers import free_port, wait_until

DAY = date(2001, 3, 1)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """The settings of a shop whose champion, version 1, has scored a day."""
    settings = load_settings().with_changes(home=str(tmp_path / "home"), serving__port=free_port())
    stand_in.champion(settings, "1", DAY)
    return settings


@pytest.fixture
def in_taipei(tmp_path: Path) -> str:
    """A source as the default one, in its own time zone."""
    text = (REPOSITORY / "conf" / "sources" / "tafeng.yaml").read_text()
    path = tmp_path / "taipei.yaml"
    path.write_text(f"{text}\ntimezone: Asia/Taipei\n")
    return str(path)


@pytest.fixture
def serve() -> Iterator[Callable[[Settings], httpx.Client]]:
    """Starts a service and gives a client of it."""
    ends: list[Callable[[], None]] = []

    def start(settings: Settings, *, ready: bool = True, engines: Engines = stand_in.ENGINES) -> httpx.Client:
        app = create_app(settings, engines)
        server = create_server(app, settings)
        server.config.host = "127.0.0.1"  # also where the settings name an address that others reach
        thread = threading.Thread(target=server.run)
        thread.start()
        client = httpx.Client(base_url=f"http://127.0.0.1:{settings.serving.port}", trust_env=False, timeout=20)
        client.app, client.server = app, server

        def end() -> None:
            client.close()
            server.should_exit = True
            thread.join(timeout=20)

        ends.append(end)
        wait_until(lambda: server.started, "the service answers")
        if ready:
            wait_until(lambda: client.get("/readyz").status_code == 200, "there is a release")
        return client

    start.all_end = lambda: [ends.pop()() for _ in range(len(ends))]
    yield start
    start.all_end()


@pytest.fixture
def client(home: Settings, serve: Callable[[Settings], httpx.Client]) -> httpx.Client:
    """Of a service with a release in force."""
    return serve(home)
