// The two ways in which the Coder plugins of Backstage sign in, as their code does it. A session is
// {protocol, token, profile, expires}; it lives in memory only.

const { backend, clientId } = document.body.dataset;
const backendOrigin = new URL(backend).origin;
const auth = `${backend}/api/auth/coder`;

// Whether this browser has signed in before: without it a first visit would ask for a session in vain.
const mark = 'understudy-sandbox-session';

/** The backend cannot be reached, or does not allow this origin. */
export class Unreachable extends Error {}

/** Signs in as the current plugin does: DefaultAuthConnector of @backstage/core-app-api. */
export async function signIn() {
  const query = `scope=&origin=${encodeURIComponent(location.origin)}&flow=popup&env=development`;
  let expected = '';
  const response = await popup(`${auth}/start?${query}`, 450, 730, data => {
    if (data.type === 'config_info') expected = data.targetOrigin;
    if (data.type !== 'authorization_response') return undefined;
    if (data.error) throw new Error(messageOf(data.error));
    return data.response;
  }, () => expected && expected !== location.origin
    ? `Login failed, incorrect app origin, expected ${expected}`
    : 'Login failed, popup was closed');
  localStorage.setItem(mark, 'yes');
  return fromResponse(response);
}

/** Signs in as the legacy plugin does (CoderAuthInputForm), with its accessUrl pointed at the bridge. */
export async function signInLegacy() {
  const redirect = encodeURIComponent(`${auth}/oauth/callback`);
  const state = btoa(JSON.stringify({ returnTo: location.pathname }));
  const client = encodeURIComponent(clientId);
  const query = `client_id=${client}&redirect_uri=${redirect}&response_type=code&state=${state}`;
  const token = await popup(`${auth}/oauth2/authorize?${query}`, 600, 700, data => {
    if (data.type === 'coder-oauth-error') throw new Error(data.message || messageOf(data.error));
    return data.type === 'coder-oauth-success' && data.token ? data.token : undefined;
  }, () => 'Login failed, popup was closed');
  return { protocol: 'legacy', token };
}

/** Gets the session back from the refresh cookie; null when there is none. */
export async function restore() {
  if (!localStorage.getItem(mark)) {
    await reach();
    return null;
  }
  try {
    return await refresh();
  } catch (error) {
    if (error instanceof Unreachable) throw error;
    return null;
  }
}

/** Renews the session through the refresh cookie. */
export async function refresh() {
  const answer = await call('refresh?optional&env=development', 'GET');
  if (!answer.ok) {
    if (answer.status === 401) localStorage.removeItem(mark);
    throw new Error(`Refresh failed: ${await reason(answer)}`);
  }
  return fromResponse(await answer.json());
}

/** Ends the session. The legacy plugin has nothing to tell the backend: it only forgets its token. */
export async function signOut(session) {
  if (session.protocol === 'legacy') return;
  const answer = await call('logout?env=development', 'POST');
  if (!answer.ok) throw new Error(`Sign-out failed: ${await reason(answer)}`);
  localStorage.removeItem(mark);
}

/** Reads a JSON answer of Coder's API through the backend's proxy, with the frontend plugin's route and header. */
export async function coder(path, token) {
  const answer = await fetch(`${backend}/api/proxy/coder/api/v2${path}`, { headers: { 'Coder-Session-Token': token } })
    .catch(() => { throw new Unreachable(); });
  if (!answer.ok) throw new Error(`Coder refused ${path}: ${await reason(answer)}`);
  return answer.json();
}

function fromResponse({ profile, providerInfo }) {
  const seconds = Number(providerInfo.expiresInSeconds);
  return {
    protocol: 'current',
    token: providerInfo.accessToken,
    profile,
    expires: seconds > 0 ? new Date(Date.now() + seconds * 1000) : undefined,
  };
}

// Opens url in a popup and waits until take returns a value for one of its messages, or throws. The popup has no
// name, unlike the plugins': a second attempt must not land in the first one's window just before that closes.
function popup(url, width, height, take, closed) {
  const left = screen.width / 2 - width / 2;
  const top = screen.height / 2 - height / 2;
  const opened = window.open(url, '_blank', `popup=yes,width=${width},height=${height},top=${top},left=${left}`);
  if (!opened || opened.closed) {
    return Promise.reject(new Error('The browser blocked the popup; allow it and try again.'));
  }
  return new Promise((resolve, reject) => {
    const finish = (settle, value) => {
      window.removeEventListener('message', listen);
      clearInterval(timer);
      settle(value);
    };
    const listen = event => {
      if (event.source !== opened || event.origin !== backendOrigin || !event.data) return;
      try {
        const value = take(event.data);
        if (value !== undefined) finish(resolve, value);
      } catch (error) {
        finish(reject, error);
      }
    };
    const timer = setInterval(() => opened.closed && finish(reject, new Error(closed())), 100);
    window.addEventListener('message', listen);
    reach().catch(error => { opened.close(); finish(reject, error); });
  });
}

// Rejects when the backend is not there; whatever it answers is fine.
function reach() {
  return fetch(`${auth}/health`).catch(() => { throw new Unreachable(); });
}

function call(path, method) {
  return fetch(`${auth}/${path}`, {
    method, credentials: 'include', headers: { 'X-Requested-With': 'XMLHttpRequest' },
  }).catch(() => { throw new Unreachable(); });
}

// An error may be its text, or {name, message}.
function messageOf(error) {
  return (typeof error === 'string' ? error : error?.message) || 'Login failed';
}

// The message of Backstage's or of Coder's error body, else the status.
async function reason(answer) {
  const body = await answer.json().catch(() => ({}));
  return body.error?.message || body.message || `${answer.status} ${answer.statusText}`;
}
