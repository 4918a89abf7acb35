"""`make audit`: a licence that nobody allowed and a known vulnerability fail, and silence is never called good."""

import importlib.util
import json
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distributions
from threading import Thread

import pytest

from pipelines.settings import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "audit.py"
RULES = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["audit"]


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def package(tmp_path):
    """Install a made-up package with these lines of metadata."""

    def make(*lines):
        folder = tmp_path / "madeup-1.0.dist-info"
        folder.mkdir(exist_ok=True)
        (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", "Name: MadeUp", "Version: 1.0", *lines]))
        return list(distributions(path=[str(tmp_path)]))

    return make


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("License-Expression: MIT", True),
        ("License-Expression: MPL-2.0 AND (GPL-3.0-only OR MIT)", True),
        ("License-Expression: MIT AND GPL-3.0-only", False),
        ("License-Expression: AGPL-3.0-only", False),
        ("License-Expression: LicenseRef-Proprietary", False),
        ("Classifier: License :: OSI Approved :: MIT License", True),
        ("Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)", False),
        ("License: Apache License 2.0", True),
        ("License: MIT, but pay us", False),
        ("License: ", False),
        ("Summary: says nothing", False),
    ],
)
def test_a_licence_is_allowed_by_the_list_or_fails(audit, package, line, allowed):
    faults = audit.licence_faults(package(line), set(RULES["licences"]), {})
    assert (faults == []) == allowed
    assert audit.licence_faults(package(line), set(), {"madeup": "read by a person"}) == []


def test_every_exception_has_a_reason_and_is_in_the_lock(audit):
    assert set(RULES["packages"]) <= audit.locked_names(REPOSITORY / "requirements.lock")
    assert all(len(reason.split()) > 2 for reason in [*RULES["packages"].values(), *RULES["advisories"].values()])


@pytest.fixture
def service():
    """An OSV service on loopback that knows advisories by package; without any it answers nothing."""
    servers = []

    def start(known):
        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
                ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}]
                affected = [{"package": {"name": asked, "ecosystem": "PyPI"}, "ranges": ranges}]
                found = [{"id": one, "summary": "x", "affected": affected} for one in known.get(asked.lower(), [])]
                body = json.dumps({"vulns": found} if found else {}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1/query"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


FLASK = {"flask": ["PYSEC-2019-179"]}


@pytest.mark.parametrize(
    ("known", "code", "printed"),
    [
        (FLASK | {"zipp": ["PYSEC-1"]}, 1, "zipp 4.1.2: PYSEC-1, fixed in 99"),
        (FLASK, 0, "1 versions checked, 0 known vulnerabilities"),
        ({}, 0, "NOT CHECKED, because"),
    ],
)
def test_what_the_service_says_decides(service, tmp_path, known, code, printed):
    done = run(tmp_path, service(known))
    assert done.returncode == code, done.stdout + done.stderr
    assert printed in done.stdout


def test_a_service_out_of_reach_is_said_and_not_called_good(tmp_path):
    done = run(tmp_path, "http://127.0.0.1:9/v1/query")
    assert done.returncode == 0
    assert "NOT CHECKED" in done.stdout
    assert "known vulnerabilities" not in done.stdout


def run(folder, url):
    lock = folder / "requirements.lock"
    lock.write_text("zipp==4.1.2 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    words = [sys.executable, SCRIPT, "--lock", lock, "--osv-url", url]
    return subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
