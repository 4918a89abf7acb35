-- Run once by the Postgres image in a new volume: Airflow and MLflow each have a database of their own.
CREATE DATABASE airflow;
CREATE DATABASE mlflow;
