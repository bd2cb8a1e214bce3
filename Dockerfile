# syntax=docker/dockerfile:1
FROM rust:1.94.1-bookworm AS build
WORKDIR /src
COPY . .
# Crates and what was built of them stay in the builder's cache between builds, so a change to the shop
# builds the shop only. What is in a cache is not in a layer: the binary is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin ecom \
 && install --strip target/release/ecom /usr/local/bin/ecom

FROM debian:bookworm-20260824-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates tzdata zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --home-dir /var/lib/ecom --create-home --shell /usr/sbin/nologin ecom
COPY --from=build /usr/local/bin/ecom /usr/local/bin/ecom
# In a container, loopback reaches nobody; past loopback, there is no admin API.
ENV ECOM_DATA_DIR=/var/lib/ecom \
    ECOM_SERVE_LISTEN=0.0.0.0 \
    ECOM_SERVE_ADMIN=false
USER ecom
WORKDIR /var/lib/ecom
EXPOSE 8000-8005 8090
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=12 \
    CMD ["ecom", "health", "http://127.0.0.1:8000/health"]
ENTRYPOINT ["ecom"]
CMD ["serve"]
