"""A password does not go to another user's program that took a service's port."""

import os
import socket
import subprocess
import sys

import pytest

from pipelines.errors import PurseError
from pipelines.listener import require_own_listener

LISTEN = """
import os, socket, sys, time
os.setuid(65534)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can listen as another user")
def test_another_users_listener_is_refused():
    with subprocess.Popen([sys.executable, "-c", LISTEN], stdout=subprocess.PIPE, text=True) as stranger:
        port = int(stranger.stdout.readline())
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(PurseError, match=rf"Port {port} on {host} belongs to .*another user \(uid 65534\)"):
                require_own_listener(host, port, "services.mlflow_port")
        stranger.kill()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_an_own_listener_and_a_free_port_pass(family):
    address = "127.0.0.1" if family == socket.AF_INET else "::"
    with socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        require_own_listener("127.0.0.1", port, "services.mlflow_port")
    require_own_listener("127.0.0.1", port, "services.mlflow_port")
