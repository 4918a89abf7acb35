# One image for every service of docker-compose.yml. Not built yet: the machine it was written on has no Docker engine.
FROM python:3.12-slim

# libgomp1: LightGBM's threads.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/purse
COPY requirements.lock .
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-cache --require-hashes --compile-bytecode --requirements requirements.lock

COPY . .
RUN uv pip install --system --no-cache --no-deps --editable . \
    && python -m compileall -q $(sed -n 's/^packages = \[\(.*\)\]/\1/p' pyproject.toml | tr -d '",') \
    && useradd --uid 50000 --create-home purse \
    && mkdir --parents /opt/airflow /var/lib/purse \
    && chown purse /opt/airflow /var/lib/purse

USER purse
ENV AIRFLOW_HOME=/opt/airflow PURSE_HOME=/var/lib/purse
CMD ["purse", "--help"]
