# One image with the worker and the operator's commands (`python starter.py …`):  docker build .
# An image with the AWS emulator, to try the pipeline on one machine:             docker build --target devstack .

FROM python:3.11-slim AS worker
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

COPY requirements.lock ./
RUN pip install --requirement requirements.lock

# Each folder is named, as in pyproject.toml, so that the image contains nothing else.
COPY activities/ activities/
COPY audit/ audit/
COPY clients/ clients/
COPY commands/ commands/
COPY conformance/ conformance/
COPY events/ events/
COPY models/ models/
COPY reports/ reports/
COPY runs/ runs/
COPY waiting/ waiting/
COPY workflows/ workflows/
COPY errors.py heartbeat.py limits.py logs.py metrics.py registrations.py settings.py starter.py traces.py version.py worker.py ./
# The user below cannot write here; without bytecode every health check would compile all modules.
RUN python -m compileall -q .

# The certificates of RDS in all regions; every image that is built has today's.
ADD --chmod=0444 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem /app/global-bundle.pem
ENV AURORA_RESTORE_DATABASE_TLS_CA_FILE=/app/global-bundle.pem

# The worker writes no file: the root file system may be read-only, without a /tmp.
# A number, because runAsNonRoot of Kubernetes can check only a number.
USER 10001:10001

# The worker finishes its running activities before it ends; the grace period must be longer than
# AURORA_RESTORE_GRACEFUL_SHUTDOWN_SECONDS.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=20s --start-period=30s --retries=3 CMD ["python", "worker.py", "check"]
CMD ["python", "worker.py"]


FROM worker AS devstack
USER root
COPY pyproject.toml requirements-dev.lock ./
# pyproject.toml lists the emulator's dependencies, the lock file their versions.
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['devstack'], sep='\n')" \
    | xargs -d '\n' pip install --constraint requirements-dev.lock
COPY devstack/ devstack/
USER 10001:10001
HEALTHCHECK NONE
CMD ["python", "-m", "devstack", "--only-aws", "--host", "0.0.0.0", "--port", "4566"]


# Without --target, the worker.
FROM worker
