"""Check the locked packages: licences against a list, and versions against published advisories.

Exit 1 for a licence that pyproject.toml does not allow, or a known vulnerability. Where the advisory service cannot be
reached, this says that the versions were not checked and exits 0.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from license_expression import ExpressionError, get_spdx_licensing
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
OSV = "https://api.osv.dev/v1/query"
KNOWN_BAD = "flask==0.5"
"""Version with a published advisory: a service that doesn't find it has not been asked."""

CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
TEXTS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
}
"""Names of licences in older metadata, and their SPDX identifiers."""


def locked_names(lock: Path) -> set[str]:
    """Names of the packages in a lock file."""
    return {canonicalize_name(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(), re.MULTILINE)}


def licence(package: Distribution) -> str:
    """Return a package's licence as an SPDX expression, as far as its metadata names one; otherwise its own words."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    named = [text.split(" :: ")[-1] for text in metadata.get_all("Classifier", []) if text.startswith("License :: ")]
    found = [CLASSIFIERS.get(name, name) for name in named if name not in {"OSI Approved", "DFSG approved"}]
    if found:
        return " AND ".join(found)
    text = next(iter(str(metadata.get("License") or "").strip().splitlines()), "")
    return TEXTS.get(text, text) or "none named"


def licence_faults(packages: Iterable[Distribution], allowed: set[str], exceptions: Mapping[str, str]) -> list[str]:
    """Name the packages whose licence is not allowed.

    Args:
        packages: installed packages to check.
        allowed: SPDX identifiers.
        exceptions: reason by package, for licences that a person looked at.
    """
    faults = []
    for package in packages:
        name, found = canonicalize_name(package.metadata["Name"]), licence(package)
        if name not in exceptions and not _allows(found, allowed):
            faults.append(f"{name} {package.version}: {found}")
    return sorted(faults)


def advisories(lock: Path, url: str) -> list[dict[str, Any]]:
    """Ask an OSV service about every version of a lock.

    Returns:
        Name, version, `vulns` or `skip_reason` of each package.

    Raises:
        ConnectionError: the service did not answer; the text is the kind of pip-audit's error.
    """
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--no-deps", "--disable-pip"]
    command += ["--vulnerability-service", "osv", "--osv-url", url, "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # fixed words
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise ConnectionError(last.partition(":")[0]) from None
    return found


def answers(url: str) -> bool:
    """Whether an advisory service knows a version that has an advisory.

    Raises:
        ConnectionError: the service did not answer.
    """
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "requirements.txt"
        lock.write_text(f"{KNOWN_BAD}\n")
        return any(package.get("vulns") for package in advisories(lock, url))


def check_advisories(lock: Path, url: str, accepted: Mapping[str, str]) -> bool:
    """Print what the advisory service says about a lock; False for a vulnerability that nobody accepted."""
    try:
        if not answers(url):
            raise ConnectionError(f"it does not know the advisory of {KNOWN_BAD}")  # noqa: TRY301
        found = advisories(lock, url)
    except ConnectionError as error:
        print(f"Advisories: NOT CHECKED, because {url} does not answer here ({error}).")
        return True
    skipped = [package["name"] for package in found if "skip_reason" in package]
    bad = [
        f"{package['name']} {package['version']}: {one['id']}, fixed in {', '.join(one['fix_versions']) or 'none'}"
        for package in found
        for one in package.get("vulns", [])
        if one["id"] not in accepted
    ]
    asked = len(found) - len(skipped)
    print(f"Advisories: {asked} versions checked, {len(bad)} known vulnerabilities.", *bad, sep="\n  ")
    if skipped:
        print(f"Advisories: NOT CHECKED: {', '.join(skipped)}.")
    return not bad


def check_licences(lock: Path, allowed: set[str], exceptions: Mapping[str, str]) -> bool:
    """Print the locked packages whose licence is not allowed; False if there are any."""
    names = locked_names(lock)
    packages = [one for one in distributions() if canonicalize_name(one.metadata["Name"]) in names]
    faults = licence_faults(packages, allowed, exceptions)
    print(f"Licences: {len(packages)} installed packages checked, {len(faults)} not allowed.", *faults, sep="\n  ")
    if faults:
        print("Read the licence, then add it or the package, with a reason, to [tool.audit] in pyproject.toml.")
    return not faults


@cache
def _licensing() -> Any:  # noqa: ANN401 - the library is untyped
    return get_spdx_licensing()


def _allows(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression permits use under the allowed licences: one side of OR, every side of AND."""
    try:
        parsed = _licensing().parse(expression, validate=True)
    except ExpressionError:
        return False
    return parsed is not None and _holds(parsed, allowed)


def _holds(node: Any, allowed: set[str]) -> bool:  # noqa: ANN401 - the library is untyped
    operator = getattr(node, "operator", None)
    if operator is None:
        return str(node) in allowed
    return (any if operator == " OR " else all)(_holds(part, allowed) for part in node.args)


def main() -> None:
    """Check licences and advisories of requirements.lock, or of another lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements.lock")
    parser.add_argument("--osv-url", default=OSV)
    given = parser.parse_args()
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["audit"]
    good = check_licences(given.lock, set(rules["licences"]), rules["packages"])
    good &= check_advisories(given.lock, given.osv_url, rules["advisories"])
    sys.exit(not good)


if __name__ == "__main__":
    main()
