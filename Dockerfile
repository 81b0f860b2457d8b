# syntax=docker/dockerfile:1
# A static binary and nothing else: no shell, no user database, no zones (they are in
# the binary). Runs as nobody with a read-only root.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags="-s -w" -o /token-janitor ./cmd/token-janitor

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
ENTRYPOINT ["/token-janitor"]
