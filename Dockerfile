# The hub's image: one static binary on a base without a shell.
#
#   docker build -t eventhub:0.1.0 --build-arg VERSION=0.1.0 .
#   docker buildx build --platform linux/amd64,linux/arm64 -t eventhub:0.1.0 .
#
# It listens beyond loopback, so it starts only with keys or tokens to ask for, or when
# told that everybody who reaches it may do everything:
#
#   docker run --rm eventhub:0.1.0 key new --id shop
#   docker run -p 8080:8080 -v "$PWD/keys.yaml:/keys.yaml:ro" -e HUB_API_KEYS_FILE=/keys.yaml -e HUB_REDIS_URL=redis://redis:6379 eventhub:0.1.0
#   docker run -p 127.0.0.1:8080:8080 -e HUB_ALLOW_ANONYMOUS=true eventhub:0.1.0

ARG GO_VERSION=1.26

# The compiler runs on the builder's own platform and cross-compiles, so that
# an arm64 image needs no emulation.
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-alpine AS build
WORKDIR /src

# Modules first: this layer changes only with go.mod and go.sum.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod \
    go mod download

COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.release=${VERSION}" -o /out/hub ./cmd/hub

# distroless/static has the CA certificates and time zones, and nothing to run
# but the hub: no shell, so no HEALTHCHECK either; ask /livez and /readyz.
FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Event Hub" \
      org.opencontainers.image.description="HTTP and WebSocket event streams on the Redis you already run" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/hub /hub

# By number, because Kubernetes' runAsNonRoot cannot judge a name.
USER 65532:65532

# The hub's own default listens on loopback, which nobody outside a container reaches.
# HUB_ALLOW_ANONYMOUS is not set here, so that nobody runs an open hub without saying so.
ENV HUB_ADDR=:8080
EXPOSE 8080
ENTRYPOINT ["/hub"]
