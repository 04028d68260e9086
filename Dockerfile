# syntax=docker/dockerfile:1
# Two stages: the first installs what is locked, the second holds it and no tools, runs as nobody in particular, and needs
# no shell. `deploy/build.sh` does the same steps without a container engine, which is what CI runs.
#
# The base is named by tag here because no registry could be asked when this was written. Pin it by digest before you build
# for production, and keep that line under review:
#   docker buildx imagetools inspect python:3.11-slim-bookworm --format '{{.Manifest.Digest}}'
#   docker build --build-arg BASE=python:3.11-slim-bookworm@sha256:… .
ARG BASE=python:3.11-slim-bookworm
# With traces: --build-arg REQUIREMENTS="requirements.txt requirements-tracing.txt"
ARG REQUIREMENTS=requirements.txt

FROM ${BASE} AS build
ARG REQUIREMENTS
WORKDIR /app
COPY requirements.txt requirements-tracing.txt deploy/build.sh ./
RUN sh build.sh install /venv ${REQUIREMENTS}
COPY manage.py gunicorn.conf.py ./
COPY hyperclusters hyperclusters
COPY templates templates
COPY static static
COPY locale locale
COPY deploy/probe.py deploy/probe.py
RUN sh build.sh collect /venv /app /app/collected && mkdir /anchors

FROM ${BASE}
LABEL org.opencontainers.image.title="hyperclusters" org.opencontainers.image.version="0.2.0" \
    org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DJANGO_SETTINGS_MODULE=hyperclusters.settings \
    DATA_DIR=/data STATIC_ROOT=/app/collected BIND=0.0.0.0:8000
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY --from=build --chown=10001:10001 /anchors /anchors
WORKDIR /app
# Nothing below /app is writable for this user; /data is for a SQLite file and is not needed with PostgreSQL;
# a volume at /anchors gets this user as its owner.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python", "deploy/probe.py", "http://127.0.0.1:8000/healthz"]
# Exec form: the process is PID 1 and gets SIGTERM itself; gunicorn and the worker both reap and forward.
CMD ["gunicorn", "hyperclusters.wsgi"]
