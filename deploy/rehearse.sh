#!/bin/sh
# The image's steps in a clean folder, without a container engine: install what is locked, collect, serve, stop.
# Serves as the image does: nothing in the environment but what the image sets and the secrets.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
clean=$(mktemp -d)
trap 'chmod -R u+w "$clean"; rm -rf "$clean"' EXIT
mkdir -p "$clean/app/deploy" "$clean/data"
for name in manage.py gunicorn.conf.py hyperclusters templates static locale deploy/probe.py; do # what the Dockerfile copies
  cp -R "$here/$name" "$clean/app/$name"
done
sh "$here/deploy/build.sh" install "$clean/venv" "$here/requirements.txt"
sh "$here/deploy/build.sh" collect "$clean/venv" "$clean/app" "$clean/app/collected"
sh "$here/deploy/secrets.sh" "$clean/secrets" localhost > /dev/null
chmod -R a-w "$clean/app"
port=$((20000 + $$ % 20000))
settings="PATH=$clean/venv/bin HOME=$clean/data DATA_DIR=$clean/data STATIC_ROOT=$clean/app/collected BIND=127.0.0.1:$port
  PYTHONDONTWRITEBYTECODE=1 DJANGO_SETTINGS_MODULE=hyperclusters.settings ALLOWED_HOSTS=localhost TRUSTED_PROXIES=1 EMAIL_URL=dummymail://
  SECRET_KEY_FILE=$clean/secrets/secret_key CREDENTIAL_KEYS_FILE=$clean/secrets/credential_keys AUDIT_KEYS_FILE=$clean/secrets/audit_keys"
cd "$clean/app"
# Words, of which none has a space in it.
# shellcheck disable=SC2086
run() { env -i $settings "$@"; }
run python manage.py check --deploy --fail-level WARNING
run python manage.py migrate --verbosity 0
# shellcheck disable=SC2086
env -i $settings "$clean/venv/bin/gunicorn" hyperclusters.wsgi &
web=$!
tries=0
until run python deploy/probe.py "http://127.0.0.1:$port/healthz" 2>/dev/null; do
  tries=$((tries + 1))
  [ "$tries" -lt 50 ] || { kill "$web"; echo "It did not come up."; exit 1; }
  sleep 0.2
done
kill -TERM "$web"
wait "$web"
echo "The image's steps work: installed, collected, migrated, served, and stopped by SIGTERM."
