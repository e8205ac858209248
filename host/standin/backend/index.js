// Backstage's own plugins, and one that says who calls it and issues its tokens.
const { createBackend } = require('@backstage/backend-defaults');
const { coreServices, createBackendPlugin } = require('@backstage/backend-plugin-api');

const caller = createBackendPlugin({
  pluginId: 'caller',
  register(env) {
    env.registerInit({
      deps: { auth: coreServices.auth, httpAuth: coreServices.httpAuth, http: coreServices.httpRouter },
      async init({ auth, httpAuth, http }) {
        http.addAuthPolicy({ path: '/open', allow: 'unauthenticated' });
        http.addAuthPolicy({ path: '/cookie', allow: 'user-cookie' });
        http.use(async (req, res, next) => {
          try {
            if (req.path === '/token') {
              const onBehalfOf = req.query.own ? await auth.getOwnServiceCredentials() : await httpAuth.credentials(req);
              res.json(await auth.getPluginRequestToken({ onBehalfOf, targetPluginId: 'who' }));
              return;
            }
            const credentials = await httpAuth.credentials(req, { allowLimitedAccess: req.path === '/cookie' });
            res.json(credentials.principal);
          } catch (error) {
            next(error);
          }
        });
      },
    });
  },
});

const backend = createBackend();
backend.add(Promise.resolve(require('@backstage/plugin-auth-backend')));
backend.add(Promise.resolve(require('@coder/plugin-auth-backend-module-coder-provider')));
backend.add(Promise.resolve(require('@backstage/plugin-auth-backend-module-guest-provider')));
backend.add(Promise.resolve(require('@backstage/plugin-proxy-backend')));
backend.add(caller);
backend.start();
