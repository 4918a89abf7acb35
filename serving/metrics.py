"""Prometheus metrics of the service."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.015, 0.03, 0.1, 0.3, 1, 3, 10)


class Metrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        names = ("route", "method", "status")
        self.requests = Counter("purse_requests", "Requests by route.", names, registry=self.registry)
        self.shed = Counter(
            "purse_shed_requests", "Requests refused under overload, by kind.", ("kind",), registry=self.registry
        )
        self.seconds = Histogram(
            "purse_request_seconds", "Time until the response.", ("route",), buckets=SECONDS, registry=self.registry
        )
        self.rows = Counter("purse_rows", "Posted rows by outcome.", ("table", "outcome"), registry=self.registry)
        self.scored = Counter("purse_live_scores", "Users scored again after new rows.", registry=self.registry)
        self.failed = Counter("purse_live_failures", "Users who could not be scored again.", registry=self.registry)
        self.aside = Gauge(
            "purse_set_aside_users", "Users set aside because scoring them killed the engine.", registry=self.registry
        )
        self.expiring = Gauge(
            "purse_keys_expiring", "API keys that expire within 14 days, or never.", registry=self.registry
        )
        self.refused = Counter("purse_refused_releases", "Deploys that failed.", registry=self.registry)
        self.age = Gauge("purse_snapshot_age_seconds", "Age of the active snapshot.", registry=self.registry)
        self.release = Gauge(
            "purse_release", "1 for the active release.", ("model_version", "snapshot_date"), registry=self.registry
        )

    def page(self, about: Mapping[str, object] | None) -> bytes:
        """Render all metrics in Prometheus' text format.

        Args:
            about: model_version, snapshot_date and age_seconds of the active release; None: no release is active.
        """
        self.release.clear()
        if about is not None:
            self.age.set(float(str(about["age_seconds"])))
            self.release.labels(str(about["model_version"]), str(about["snapshot_date"])).set(1)
        return bytes(generate_latest(self.registry))
