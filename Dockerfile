FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/relay
COPY requirements.lock ./
RUN /opt/relay/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY workers workers
RUN /opt/relay/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin relay
COPY --from=build /opt/relay /opt/relay
WORKDIR /app
COPY topics.yaml ./
COPY schemas schemas
ENV PATH=/opt/relay/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RELAY_HTTP_ADDR=*:8080
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["relay"]
CMD ["--help"]
