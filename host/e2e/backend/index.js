// A Backstage backend that issues identities: Backstage's auth plugin with Coder's published provider.
const { createBackend } = require('@backstage/backend-defaults');

const backend = createBackend();
backend.add(Promise.resolve(require('@backstage/plugin-auth-backend')));
backend.add(Promise.resolve(require('@coder/plugin-auth-backend-module-coder-provider')));
backend.start();
