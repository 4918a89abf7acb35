-- Run once by the Postgres image in a new volume: Airflow and MLflow each have a role and databases of their own, and
-- neither can open the other's.
\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv mlflow_password MLFLOW_DB_PASSWORD
CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE mlflow_logins OWNER mlflow;
REVOKE ALL ON DATABASE airflow, mlflow, mlflow_logins, postgres, template1 FROM PUBLIC;
