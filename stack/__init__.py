"""Embedded stack: Airflow, MLflow and the live service on one machine; and the demo."""
