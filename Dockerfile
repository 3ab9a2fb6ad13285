# The same Node.js that tools/runtime pins for `npm start` and `npm test`. A publisher can move a tag: docs/deployment.md says how to pin the digest.
FROM node:24.21.0-slim

WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force
COPY src ./src

# For a volume, with PORTHOLE_DATA=/data. A new volume gets this mode, so that any user may write to it.
WORKDIR /data
RUN chmod 1777 .

# The image's user `node`, as a number, because runAsNonRoot of Kubernetes checks numbers only.
USER 1000:1000
# The container decides the address, not the file in it. Otherwise 127.0.0.1 in the file would make Porthole unreachable.
ENV NODE_ENV=production PORTHOLE_HOST=0.0.0.0 PORTHOLE_PORT=8080
EXPOSE 8080
# The slim image has no curl.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORTHOLE_PORT || 8080}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]

# Porthole looks for porthole.yaml here. Mount the directory, because a file that is mounted alone stays the old one when it is replaced.
WORKDIR /etc/porthole
# Node.js is process 1 and gets the signals itself. The words after the image's name are Porthole's command line.
# By default V8 collects its youngest garbage when it has grown to 128 MB. With 16 MB V8 is as fast. By default V8 collects with four threads
# even on one core, and answers wait for these threads. A pool size of 0 means one thread less than there are cores.
ENTRYPOINT ["node", "--v8-pool-size=0", "--max-semi-space-size=4", "/app/src/porthole.js"]
