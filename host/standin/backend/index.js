// Backstage's own plugins, nothing else.
const { createBackend } = require('@backstage/backend-defaults');

const backend = createBackend();
backend.add(Promise.resolve(require('@backstage/plugin-auth-backend')));
backend.add(Promise.resolve(require('@coder/plugin-auth-backend-module-coder-provider')));
backend.add(Promise.resolve(require('@backstage/plugin-auth-backend-module-guest-provider')));
backend.add(Promise.resolve(require('@backstage/plugin-proxy-backend')));
backend.start();
