// The counterpart of ../measured on Backstage's own backend.
import { appendFileSync } from 'node:fs';
import { createBackend } from '@backstage/backend-defaults';
import { coreServices, createBackendPlugin } from '@backstage/backend-plugin-api';
import { code } from './code';

const measured = createBackendPlugin({
  pluginId: 'measured',
  register(env) {
    env.registerInit({
      deps: { config: coreServices.rootConfig, router: coreServices.httpRouter },
      async init({ config, router }) {
        const version = `${code} ${config.getString('measured.word')}`;
        router.addAuthPolicy({ path: '/answer', allow: 'unauthenticated' });
        router.use(async (req, res) => {
          appendFileSync(process.env.MEASURED_ARRIVALS!, `${req.header('x-id')}\n`);
          let sent = 0;
          for await (const part of req) sent += part.length;
          res.setHeader('X-Version', version);
          res.write(`${version}\n`);
          res.end(`${'.'.repeat(8 << 10)}\n${sent}\n${version}\n`);
        });
      },
    });
  },
});

const backend = createBackend();
backend.add(measured);
backend.start();
