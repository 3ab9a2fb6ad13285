# The same Node.js that tools/runtime pins for `npm start` and `npm test`. A tag can be moved: the README says how to pin the digest as well.
FROM node:24.21.0-slim

WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force
COPY src ./src

# For a volume, with PORTHOLE_DATA=/data: one that is made here takes over this mode, so that any user may write into it.
WORKDIR /data
RUN chmod 1777 .

# By number, so that Kubernetes' runAsNonRoot can tell: this is the image's user `node`.
USER 1000:1000
# Where to listen is for the container to say, not for the file in it: 127.0.0.1 would be reachable from nowhere.
ENV NODE_ENV=production PORTHOLE_HOST=0.0.0.0 PORTHOLE_PORT=8080
EXPOSE 8080
# The slim image has no curl.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORTHOLE_PORT || 8080}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]

# porthole.yaml is looked for here: mount the directory, so that a file that is replaced is read anew.
WORKDIR /etc/porthole
# Node.js is process 1 and gets the signals itself. What follows the image's name is Porthole's command line.
# V8 would let its youngest garbage grow to 128 MB before it looks at it, and with 16 MB works as fast. It would collect it with four threads
# however few cores there are, and answers would wait for those: 0 stands for one less than there are cores.
ENTRYPOINT ["node", "--v8-pool-size=0", "--max-semi-space-size=4", "/app/src/porthole.js"]
