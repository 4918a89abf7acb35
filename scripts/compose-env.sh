#!/usr/bin/env bash
# Print the secrets that docker-compose.yml asks for: scripts/compose-env.sh > .env (which git ignores).
set -euo pipefail
umask 077

random() { python3 -c 'import secrets; print(secrets.token_urlsafe(32))'; }

cat <<END
POSTGRES_PASSWORD=$(random)
FERNET_KEY=$(python3 -c 'import base64, secrets; print(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())')
JWT_SECRET=$(random)
API_SECRET_KEY=$(random)
END
