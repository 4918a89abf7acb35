"""The Airflow DAGs of Purse: they only wire the steps of `pipelines` together."""
