"""What Prometheus reads."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.015, 0.03, 0.1, 0.3, 1, 3, 10)


class Metrics:
    """The measures of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        names = ("route", "method", "status")
        self.requests = Counter("purse_requests", "Requests by route.", names, registry=self.registry)
        self.seconds = Histogram(
            "purse_request_seconds", "Time until an answer.", ("route",), buckets=SECONDS, registry=self.registry
        )
        self.rows = Counter("purse_rows", "Rows that were sent.", ("table", "outcome"), registry=self.registry)
        self.scored = Counter("purse_live_scores", "Users who were scored again.", registry=self.registry)
        self.failed = Counter("purse_live_failures", "Users who could not be scored again.", registry=self.registry)
        self.aside = Gauge(
            "purse_set_aside_users", "Users set aside because scoring them ended the engine.", registry=self.registry
        )
        self.refused = Counter("purse_refused_releases", "Deploys that did not end well.", registry=self.registry)
        self.age = Gauge("purse_snapshot_age_seconds", "Age of the snapshot in force.", registry=self.registry)
        self.release = Gauge(
            "purse_release", "1 for what is in force.", ("model_version", "snapshot_date"), registry=self.registry
        )

    def page(self, about: Mapping[str, object] | None) -> bytes:
        """All measures in Prometheus' text format.

        Args:
            about: of the active release: model_version, snapshot_date and age_seconds; None: there is none yet.
        """
        self.release.clear()
        if about is not None:
            self.age.set(float(str(about["age_seconds"])))
            self.release.labels(str(about["model_version"]), str(about["snapshot_date"])).set(1)
        return bytes(generate_latest(self.registry))
