#!/bin/sh
# The image's steps, for the Dockerfile and for machines without a container engine.
#   build.sh install VENV FILE…           a virtual environment with exactly what these files lock
#   build.sh collect VENV APP STATIC     static files, hashed and compressed, into STATIC
set -eu
case "$1" in
  install)
    venv=$2 && shift 2
    python3 -m venv "$venv"
    for file; do
      "$venv/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r "$file"
    done
    ;;
  collect)
    # Settings want secrets; these are made for this command alone. Nothing of the service's own environment is read.
    cd "$3"
    env -i PATH="$PATH" SECRET_KEY="$(head -c 48 /dev/urandom | base64 | tr -d '\n')" \
      CREDENTIAL_KEYS="$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')" AUDIT_KEYS="build:$(head -c 32 /dev/urandom | base64)" \
      DATA_DIR="${TMPDIR:-/tmp}/hyperclusters-build" STATIC_ROOT="$4" \
      "$2/bin/python" manage.py collectstatic --noinput --verbosity 0
    "$2/bin/python" -m compileall -q hyperclusters
    ;;
  *) sed -n '2,5p' "$0"; exit 2 ;;
esac
