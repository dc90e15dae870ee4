# Galley and Terraform, for one container: everything is under /data, nothing runs as root.
#
#   docker build -t galley .
#   docker run -p 127.0.0.1:8470:8470 -v galley:/data -e GALLEY_TOKEN=… galley

FROM rust:1.95-slim-bookworm AS build
# aws-lc-sys compiles C and wants cmake for some targets.
RUN apt-get update && apt-get install --yes --no-install-recommends cmake make gcc g++ libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --locked --release && install -D target/release/galley /out/galley

# The binary alone; its licence (BUSL-1.1) stays with it in the official image.
FROM hashicorp/terraform:1.11.4 AS terraform

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 65532 galley && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /data galley \
    && install -d --owner 65532 --group 65532 --mode 0700 /data
COPY --from=build /out/galley /usr/local/bin/galley
COPY --from=terraform /bin/terraform /usr/local/bin/terraform
COPY LICENSE /usr/share/doc/galley/LICENSE
ENV GALLEY_DATA_DIR=/data GALLEY_LISTEN=0.0.0.0:8470
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8470
# No HEALTHCHECK: the image has no HTTP client and no shell trick should stand in for one. Orchestrators ask the server
# itself: GET /healthz (alive) and GET /readyz (store reachable, controllers running).
ENTRYPOINT ["/usr/local/bin/galley"]
CMD ["serve"]
