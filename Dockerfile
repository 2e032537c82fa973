FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/relay
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY workers workers
# Every file is checked against the lock; of these, what the relay runs on is installed, not what it is developed with.
RUN pip download --no-cache-dir --require-hashes --requirement requirements.lock --dest /wheels \
 && pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && /opt/relay/bin/pip install --no-index --find-links /wheels order-relay

FROM python:3.13-slim
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin relay
COPY --from=build /opt/relay /opt/relay
WORKDIR /app
COPY topics.yaml ./
COPY schemas schemas
ENV PATH=/opt/relay/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RELAY_HTTP_ADDR=0.0.0.0:8080
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["relay"]
CMD ["--help"]
