# The same Node.js that tools/runtime pins for `npm start` and `npm test`. A publisher can move a tag: docs/deployment.md says how to pin the digest.
FROM node:24.21.0-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json ./
COPY tools ./tools
RUN npm ci && npm cache clean --force
COPY src ./src
COPY openapi ./openapi
RUN npm run build && npm ci --omit=dev --ignore-scripts && npm cache clean --force
# Node.js names its cache of compiled code after the user, and the image runs as 1000. In the image the cache belongs to root, and that user reads it.
RUN install -d -o 1000 node_modules/.cache/porthole
USER 1000:1000
RUN NODE_COMPILE_CACHE=$PWD/node_modules/.cache/porthole node tools/warm-up.ts && chmod -R a+rX node_modules/.cache/porthole

FROM node:24.21.0-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/openapi ./openapi
COPY --from=build /app/dist ./dist

# For a volume, with PORTHOLE_DATA=/data. A new volume gets this mode, so that any user may write to it.
WORKDIR /data
RUN chmod 1777 .

# The image's user `node`, as a number, because runAsNonRoot of Kubernetes checks numbers only.
USER 1000:1000
# The container decides the address, not the file in it. Otherwise 127.0.0.1 in the file would make Porthole unreachable.
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/node_modules/.cache/porthole PORTHOLE_HOST=0.0.0.0 PORTHOLE_PORT=8080
EXPOSE 8080
# The slim image has no curl.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORTHOLE_PORT || 8080}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]

# Porthole looks for porthole.yaml here. Mount the directory, because a file that is mounted alone stays the old one when it is replaced.
WORKDIR /etc/porthole
# The first line of the file replaces itself by Node.js with the options for V8, so Node.js is process 1 and gets the signals itself. The words after
# the image's name are Porthole's command line.
ENTRYPOINT ["/app/dist/porthole.js"]
