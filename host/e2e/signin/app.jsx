// A Backstage app whose sign-in page is Backstage's own, with the Coder provider. The tests read the data attributes of the
// body.
import { createApp } from '@backstage/app-defaults';
import { AppRouter, OAuth2 } from '@backstage/core-app-api';
import { AlertDisplay, OAuthRequestDialog, SignInPage } from '@backstage/core-components';
import {
  configApiRef, createApiFactory, createApiRef, discoveryApiRef, identityApiRef, oauthRequestApiRef, useApi,
} from '@backstage/core-plugin-api';
import { useEffect } from 'react';
import { createRoot } from 'react-dom/client';

const { dataset } = document.body;

// As @coder/backstage-plugin-coder exports it, and as its README registers it.
const coderAuthApiRef = createApiRef({ id: 'auth.coder' });
const coderAuthApi = createApiFactory({
  api: coderAuthApiRef,
  deps: { discoveryApi: discoveryApiRef, oauthRequestApi: oauthRequestApiRef, configApi: configApiRef },
  factory: apis => OAuth2.create({
    ...apis,
    provider: { id: 'coder', title: 'Coder', icon: () => null },
    environment: apis.configApi.getOptionalString('auth.environment'),
    defaultScopes: [],
  }),
});

const provider = { id: 'coder-auth-provider', title: 'Coder', message: 'Sign in using Coder', apiRef: coderAuthApiRef };
const app = createApp({
  configLoader: async () => [{
    context: 'app-config.yaml',
    data: {
      app: { title: 'Backstage', baseUrl: location.origin },
      backend: { baseUrl: dataset.backend },
      auth: { environment: dataset.environment },
    },
  }],
  apis: [coderAuthApi],
  components: { SignInPage: props => <SignInPage {...props} provider={provider} /> },
});

// Shows who is signed in to Backstage. What is below AppRouter is there only for them.
function Who() {
  const identity = useApi(identityApiRef);
  useEffect(() => {
    (async () => {
      const { userEntityRef, ownershipEntityRefs } = await identity.getBackstageIdentity();
      const { token } = await identity.getCredentials();
      Object.assign(dataset, { token, owns: ownershipEntityRefs.join(), user: userEntityRef });
    })();
  });
  return <button id="sign-out" onClick={() => identity.signOut()}>Sign out</button>;
}

const App = app.createRoot(
  <>
    <AlertDisplay />
    <OAuthRequestDialog />
    <AppRouter><Who /></AppRouter>
  </>,
);
createRoot(document.getElementById('root')).render(<App />);
