#!/usr/bin/env bash
# Print the secrets that docker-compose.yml asks for: scripts/compose-env.sh > .env (which git ignores).
set -euo pipefail
umask 077

random() { head --bytes=32 /dev/urandom | base64 | tr '+/' '-_'; } # 32 bytes, in the form of a Fernet key
word() { random | tr -d '='; }

cat <<END
POSTGRES_PASSWORD=$(word)
AIRFLOW_DB_PASSWORD=$(word)
MLFLOW_DB_PASSWORD=$(word)
REDIS_PASSWORD=$(word)
MLFLOW_PASSWORD=$(word)
MLFLOW_READER_PASSWORD=$(word)
MLFLOW_SESSION_KEY=$(word)
FERNET_KEY=$(random)
JWT_SECRET=$(word)
API_SECRET_KEY=$(word)
END
