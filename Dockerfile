# syntax=docker/dockerfile:1
# A static binary and nothing else: no shell, no user database, no zones (they are in
# the binary). Runs as nobody with a read-only root.
FROM --platform=$BUILDPLATFORM golang:1.26 AS source
WORKDIR /src
COPY . .

# The caches outlive a build; no module of the tests alone is fetched.
FROM source AS build
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags="-s -w" -o /token-janitor ./cmd/token-janitor

# --target demo is the simulated API of deploy/compose.yaml.
FROM source AS build-demo
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags="-s -w" -o /demo ./cmd/demo

FROM scratch AS demo
COPY --from=build-demo /demo /demo
USER 65532:65532
ENTRYPOINT ["/demo"]

FROM scratch
LABEL org.opencontainers.image.title="token-janitor" \
      org.opencontainers.image.description="Deletes expired and old revoked refresh tokens from PostgreSQL" \
      org.opencontainers.image.source="https://github.com/hyphagraph/token-janitor" \
      org.opencontainers.image.licenses="MIT"
# For sslmode=verify-full against a public authority.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /token-janitor /token-janitor
USER 65532:65532
EXPOSE 9856
# Healthy is ready: the schema was checked and the last run did not fail. It sees the
# container's environment and not its arguments, so set TOKEN_JANITOR_LISTEN there.
HEALTHCHECK --interval=30s --timeout=5s --start-period=1m \
    CMD ["/token-janitor", "healthcheck"]
ENTRYPOINT ["/token-janitor"]
