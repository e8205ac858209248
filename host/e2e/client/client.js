// A minimal Backstage app: Backstage's own OAuth2 client for the Coder provider, and the legacy Coder plugin's way to
// sign in. The tests press the buttons and read the data attributes of the body.
import { ConfigReader, OAuth2, OAuthRequestManager, UrlPatternDiscovery } from '@backstage/core-app-api';

const { dataset } = document.body;
const $ = id => document.getElementById(id);
const show = values => Object.assign(dataset, values);

// The APIs, as @backstage/app-defaults sets them up.
const oauthRequestApi = new OAuthRequestManager();
const auth = OAuth2.create({
  configApi: new ConfigReader({ enableExperimentalRedirectFlow: dataset.flow === 'redirect' }),
  discoveryApi: UrlPatternDiscovery.compile(`${dataset.backend}/api/{{ pluginId }}`),
  oauthRequestApi,
  environment: dataset.environment,
  provider: { id: 'coder', title: 'Coder', icon: () => null },
  defaultScopes: [],
});

// Like OAuthRequestDialog, this opens the popup when the user agrees to it.
oauthRequestApi.authRequest$().subscribe(([request]) => {
  $('log-in').hidden = $('reject').hidden = !request;
  $('log-in').onclick = () => request.trigger().catch(error => show({ error: error.message }));
  $('reject').onclick = () => request.reject();
});

auth.sessionState$().subscribe(state => show({ session: state }));

// Shows who is signed in, and their token. The token comes last: each call may renew it.
async function session(options) {
  try {
    const profile = await auth.getProfile(options);
    const token = profile ? await auth.getAccessToken() : '';
    show({ state: token ? 'signed-in' : 'signed-out', token, profile: JSON.stringify(profile ?? null) });
  } catch (error) {
    show({ state: 'signed-out', token: '', error: error.message });
  }
}

$('sign-in').onclick = () => session();
$('token').onclick = () => session({ optional: true });
$('sign-out').onclick = async () => {
  await auth.signOut();
  show({ state: 'signed-out', token: '', profile: 'null' });
};

// The legacy plugin's CoderAuthInputForm accepts the token from any message of its backend's origin.
$('sign-in-legacy').onclick = () => {
  const { accessUrl, clientId, backend } = dataset;
  const state = btoa(JSON.stringify({ returnTo: location.pathname }));
  const redirect = encodeURIComponent(`${backend}/api/auth/coder/oauth/callback`);
  window.open(
    `${accessUrl}/oauth2/authorize?client_id=${clientId}&redirect_uri=${redirect}&response_type=code&state=${state}`,
    'Coder OAuth', 'width=600,height=700,popup=yes',
  );
};
window.addEventListener('message', ({ origin, data }) => {
  if (origin !== dataset.backend) return;
  if (data.type === 'coder-oauth-success' && data.token) show({ state: 'signed-in', token: data.token });
  if (data.type === 'coder-oauth-error') show({ error: data.message });
});

session({ optional: true });
