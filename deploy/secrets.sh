#!/bin/sh
# Make the secrets of an installation, once, into ./secrets (or the folder named): files that only their owner reads.
#   deploy/secrets.sh [FOLDER] [DATABASE_HOST]
# Whoever loses credential_keys loses the projects' keys; whoever loses audit_keys can no longer prove the audit.
# Keep copies of both apart from the database's backups.
set -eu
folder=${1:-secrets} host=${2:-database}
umask 077
mkdir -p "$folder"
random() { head -c "$1" /dev/urandom | base64 | tr -d '\n'; }
urlsafe() { random "$1" | tr '+/' '-_'; }
touch_once() { [ -e "$folder/$1" ] || { : > "$folder/$1"; echo "made $folder/$1, empty: write it if you need it"; }; }
make() { [ -s "$folder/$1" ] || { printf '%s' "$2" > "$folder/$1"; echo "made $folder/$1"; }; }
make secret_key "$(random 48)"
make credential_keys "$(urlsafe 32)"
make audit_keys "k1:$(random 32)"
make metrics_token "$(random 24 | tr -d '+/=')"
make postgres_password "$(random 24 | tr -d '+/=')"
make owner_database_url "postgres://hyperclusters_owner:$(cat "$folder/postgres_password")@$host/hyperclusters"
make database_url "postgres://hyperclusters_app:$(random 24 | tr -d '+/=')@$host/hyperclusters"
make audit_webhook_key "$(random 32)"
touch_once oidc_client_secret
touch_once email_url
