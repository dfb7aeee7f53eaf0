# The worker and the operator's command line (`python starter.py …`) in one image: docker build .
# With the AWS emulator for a laptop:                                              docker build --target devstack .

FROM python:3.11-slim AS worker
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

COPY requirements.lock ./
RUN pip install --requirement requirements.lock

# Named one by one, as in pyproject.toml: nothing else can slip in.
COPY activities/ activities/
COPY audit/ audit/
COPY clients/ clients/
COPY commands/ commands/
COPY models/ models/
COPY runs/ runs/
COPY workflows/ workflows/
COPY errors.py heartbeat.py logs.py settings.py starter.py worker.py ./
# The user below may not write here, and without bytecode every health check would compile everything.
RUN python -m compileall -q .

# A number, because Kubernetes' runAsNonRoot can check only that.
USER 10001:10001

# Running activities finish before the worker ends; give it longer than AURORA_RESTORE_GRACEFUL_SHUTDOWN_SECONDS.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=20s --start-period=30s --retries=3 CMD ["python", "worker.py", "check"]
CMD ["python", "worker.py"]


FROM worker AS devstack
USER root
COPY pyproject.toml requirements-dev.lock ./
# What the emulator needs stands in pyproject.toml, in which versions in the lock.
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['devstack'], sep='\n')" \
    | xargs -d '\n' pip install --constraint requirements-dev.lock
COPY devstack/ devstack/
USER 10001:10001
HEALTHCHECK NONE
CMD ["python", "-m", "devstack", "--only-aws", "--host", "0.0.0.0", "--port", "4566"]


# Without --target, the worker.
FROM worker
