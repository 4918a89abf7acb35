#!/usr/bin/env bash
# Pin the base images of Dockerfile and docker-compose.yml by digest: ask their registry (Docker Hub) for the digest of
# each tag and write it behind the tag. Run it again to move to the newest images, and commit the change.
set -euo pipefail
cd "$(dirname "$0")/.."

images=(python:3.12-slim postgres:17 redis:8)
edits=(-e '/^# The base images are NOT pinned yet/,/^#$/d')
for image in "${images[@]}"; do
    digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')
    [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || {
        echo "scripts/pin_images.sh: expected the digest of $image, found '$digest'; nothing was pinned." >&2
        exit 1
    }
    edits+=(-e "s|([ =]${image//./\\.})(@sha256:[0-9a-f]{64})?\$|\\1@$digest|")
    echo "$image@$digest"
done
sed -i -E "${edits[@]}" Dockerfile docker-compose.yml
