# One image for every service of docker-compose.yml. Code and DAGs belong to root, so no service can change them.
# scripts/pin_images.sh writes the digest of the base image into the next line.
ARG PYTHON_IMAGE=python:3.12-slim
FROM ${PYTHON_IMAGE}

# libgomp1: LightGBM's threads.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/purse
COPY requirements.lock conf/compose/uv.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement uv.txt \
    && uv pip install --system --no-cache --require-hashes --compile-bytecode --requirements requirements.lock

COPY . .
RUN uv pip install --system --no-cache --no-deps --editable . \
    && python -m compileall -q $(sed -n 's/^packages = \[\(.*\)\]/\1/p' pyproject.toml | tr -d '",') \
    && chmod --recursive go-w /opt/purse

# Folders on which volumes are mounted: a new volume takes the owner of its folder. MLflow has a user and a folder of its own.
RUN useradd --uid 50000 --create-home purse \
    && useradd --uid 50001 --create-home mlflow \
    && install --directory /opt/airflow \
    && install --directory --mode=0700 --owner=purse --group=purse /opt/airflow/logs /opt/airflow/login /var/lib/purse \
    && install --directory --mode=0700 --owner=purse --group=purse /var/lib/purse/data_docs /var/lib/purse/serving \
    && install --directory --mode=0700 --owner=mlflow --group=mlflow /var/lib/mlflow \
    && touch /opt/airflow/airflow.cfg  # else Airflow writes one; the environment has every setting

USER purse
ENV AIRFLOW_HOME=/opt/airflow PURSE_HOME=/var/lib/purse
CMD ["purse", "--help"]
