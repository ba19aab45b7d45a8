# syntax=docker/dockerfile:1
# The gateway's image: the pages by node, `kaipan` and `kaipan-loadtest` by Rust, and the two programs alone in a slim Debian.
# docker-compose.yml builds it; by itself: docker build -t kaipan .

FROM node:20-bookworm-slim AS pages
WORKDIR /src/web
# The lock first: while it stays the same, so do the modules.
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM rust:1.95-bookworm AS programs
WORKDIR /src
COPY . .
COPY --from=pages /src/web/dist web/dist
# The folders of cargo outlive the build, so that the next one compiles what changed; the programs have to leave them.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --package kaipan --package kaipan-loadtest && \
    install -D -t /out target/release/kaipan target/release/kaipan-loadtest

FROM debian:bookworm-slim
# curl asks /readyz; openssl makes the certificate and the passwords of deploy/compose/setup.sh.
RUN apt-get update && apt-get install -y --no-install-recommends curl openssl && rm -rf /var/lib/apt/lists/*
# The number is known to setup.sh. The folders are volumes, and a new volume is its folder's owner's.
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /var/lib/kaipan kaipan && \
    install -d -o kaipan -g kaipan -m 0700 /var/lib/kaipan /run/kaipan
COPY --from=programs /out/kaipan /out/kaipan-loadtest /usr/local/bin/
USER kaipan
WORKDIR /var/lib/kaipan
ENV KAIPAN_DATA_DIR=/var/lib/kaipan \
    KAIPAN_KEYRING=/run/kaipan/keys.json \
    KAIPAN_BUYERS_LISTEN=0.0.0.0:8080 \
    KAIPAN_STAFF_LISTEN=0.0.0.0:8081
EXPOSE 8080 8081
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["kaipan"]
CMD ["serve"]
