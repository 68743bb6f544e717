# One image for everything of ours: seven services, the trickle of load, the load test and the configuration of what watches them.
# One binary, so one build: which of them a container is, its command says.
ARG RUST=1.95-bookworm

# On a machine that has built already, `additional_contexts: {build: DIR}` takes the place of this stage; DIR/out has windtunnel,
# probe and etc/ssl/certs/ca-certificates.crt; glibc was not newer than Debian 12's.
FROM rust:${RUST} AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY services services
COPY monolith monolith
COPY loadtest loadtest
COPY dashboards dashboards
# What crates read when they are built.
COPY observability/slo.yaml observability/owners.yaml observability/
COPY deploy/k8s deploy/k8s
# What dependencies need and what they became outlives a changed line of ours. Paths of this stage stay out of the binary.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    export RUSTFLAGS="--remap-path-prefix=/src=. --remap-path-prefix=/usr/local/cargo=cargo" \
 && cargo build --locked --profile image -p loadtest --features kafka,elasticsearch \
 && RUSTFLAGS="$RUSTFLAGS -C target-feature=+crt-static" cargo build --locked --profile image -p probe \
      --target-dir target/static --target "$(rustc -vV | sed -n 's/^host: //p')" \
 && mkdir -p /out && cp target/image/loadtest /out/windtunnel && cp target/static/*/image/probe /out/probe \
 && cp --parents /etc/ssl/certs/ca-certificates.crt /out

# What the image consists of: the binaries, the libraries of the one that is not static, certificates, configuration.
FROM debian:bookworm-slim AS root
COPY --from=build /out/ /root/image/
COPY observability /root/image/etc/windtunnel/config
COPY dashboards/grafana /root/image/etc/windtunnel/config/grafana/dashboards/
COPY env/rabbitmq /root/image/etc/windtunnel/rabbitmq
WORKDIR /root/image
# The umask of whoever made the clone must not keep a container's user from reading.
RUN set -eu; \
    cat etc/windtunnel/config/prometheus/containers.yml >>etc/windtunnel/config/prometheus/prometheus.yml; \
    chmod 755 windtunnel probe; ln probe etc/windtunnel/config/probe; \
    ldd windtunnel | sed -nE 's/.*(=>)?[[:space:]](\/[^ ]+) \(0x.*/\2/p' | sort -u | xargs -I{} cp -L --parents {} .; \
    echo 'windtunnel:x:10001:10001::/:' >etc/passwd; echo 'windtunnel:x:10001:' >etc/group; echo 'hosts: files dns' >etc/nsswitch.conf; \
    chmod -R u=rwX,go=rX .; \
    mkdir -p /root/owned/logs /root/owned/data /root/owned/runs \
      /root/owned/volumes/config /root/owned/volumes/secrets /root/owned/volumes/catalog /root/owned/volumes/inventory /root/owned/volumes/orders \
      /root/owned/volumes/payments /root/owned/volumes/search /root/owned/volumes/users /root/owned/volumes/postgres \
      /root/owned/volumes/rabbitmq /root/owned/volumes/grafana /root/owned/volumes/collector; \
    chmod 755 /root/owned/*

FROM scratch
ARG VERSION=dev
ARG REVISION=""
LABEL org.opencontainers.image.title="Windtunnel" \
      org.opencontainers.image.description="A small shop of microservices whose telemetry is proved" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=root --chown=0:0 /root/image/ /
# A new volume belongs to whom the directory belongs that it is mounted on first.
COPY --from=root --chown=10001:10001 /root/owned/ /
USER 10001:10001
ENV LOADTEST_RUNS=/runs
EXPOSE 8080 9000
HEALTHCHECK --interval=5s --timeout=5s --retries=5 --start-period=180s CMD ["/probe", "http://127.0.0.1:9000/readyz"]
ENTRYPOINT ["/windtunnel"]
CMD ["--help"]
