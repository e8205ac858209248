import { Unreachable, coder, refresh, restore, signIn, signInLegacy, signOut } from './session.js';

const $ = id => document.getElementById(id);
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const protocols = {
  current: 'Current frontend plugin',
  legacy: 'Legacy frontend plugin',
};
let session = null;

$('sign-in').addEventListener('click', () => enter(signIn));
$('sign-in-legacy').addEventListener('click', () => enter(signInLegacy));
$('refresh').addEventListener('click', renew);
$('sign-out').addEventListener('click', leave);
setInterval(showExpiry, 10_000);
start();

// Restores the session of an earlier visit.
async function start() {
  try {
    const restored = await restore();
    if (restored) {
      await welcome(restored, 'Session restored.');
    } else {
      setState('signed-out', 'Not signed in.');
    }
  } catch (error) {
    setState('signed-out', 'Not signed in.');
    showError(error);
  }
}

function enter(protocol) {
  return act('Signing in: continue in the popup…', async () => {
    await welcome(await protocol(), 'Signed in.');
    $('user-name').focus();
  }, () => setState('signed-out', 'Not signed in.'));
}

function renew() {
  return act('Refreshing…', async () => {
    await welcome(await refresh(), 'Session refreshed: Coder gave a new token.');
    $('refresh').focus();
  }, () => {
    session = null;
    setState('signed-out', 'Your session has ended.');
  });
}

function leave() {
  return act('Signing out…', async () => {
    await signOut(session);
    setState('signed-out', session.protocol === 'legacy' ? 'Signed out: the token is forgotten.' : 'Signed out.');
    session = null;
    $('sign-in').focus();
  }, () => setState('signed-in', 'Still signed in.'));
}

// Does what a button is for, while the buttons rest. After a failure the keyboard goes on at the same button.
async function act(text, work, failed) {
  const pressed = document.activeElement;
  $('error').hidden = true;
  setState('signing-in', text);
  try {
    await work();
  } catch (error) {
    failed();
    showError(error);
    (pressed.checkVisibility() ? pressed : $('sign-in')).focus();
  }
}

// Shows who is signed in, and then their workspaces. The legacy protocol gives a token and nothing else.
async function welcome(next, text) {
  const profile = next.profile ?? profileOf(await coder('/users/me', next.token));
  session = next;
  $('user-name').textContent = profile.displayName || profile.email;
  $('user-email').textContent = profile.email ?? '';
  showAvatar(profile);
  $('protocol').textContent = protocols[session.protocol];
  $('refresh').hidden = session.protocol === 'legacy';
  showExpiry();
  setState('signed-in', text);
  await showWorkspaces();
}

function profileOf(user) {
  return { displayName: user.name || user.username, email: user.email, picture: user.avatar_url };
}

function showAvatar({ displayName = '', picture }) {
  const initials = displayName.split(/\s+/).slice(0, 2).map(word => word[0]).join('').toUpperCase();
  const avatar = $('user-avatar');
  avatar.replaceChildren(initials);
  if (!picture) return;
  const image = new Image(56, 56);
  image.alt = '';
  image.onload = () => avatar.replaceChildren(image);
  image.src = picture;
}

function showExpiry() {
  const expires = session?.expires;
  $('token-expiry').replaceChildren(expires
    ? moment(expires, ` (${expires.toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' })})`)
    : 'not told by this protocol');
}

async function showWorkspaces() {
  const table = $('workspaces');
  table.setAttribute('aria-busy', 'true');
  try {
    const { workspaces, count } = await coder('/workspaces?q=owner:me&limit=0', session.token);
    table.tBodies[0].replaceChildren(...workspaces.map(row));
    $('workspace-count').textContent = count;
  } catch (error) {
    table.tBodies[0].replaceChildren();
    $('workspace-count').textContent = '';
    showError(error);
  }
  table.setAttribute('aria-busy', 'false');
}

function row({ name, latest_build: build, health, outdated, ...workspace }) {
  const title = element('th', '', name);
  title.scope = 'row';
  if (outdated) title.append(' ', element('span', 'tag', 'update available'));
  const status = element('td', '', element('span', `pill ${build.status}`, build.status));
  if (!health.healthy) status.append(' ', element('span', 'pill unhealthy', 'unhealthy'));
  const template = element('td', '', workspace.template_display_name || workspace.template_name);
  const tr = element('tr', '', title, template, status, element('td', '', moment(new Date(workspace.last_used_at))));
  tr.dataset.workspace = name;
  tr.dataset.status = build.status;
  return tr;
}

function moment(date, more = '') {
  const time = element('time', '', ago(date) + more);
  time.dateTime = date.toISOString();
  return time;
}

function element(name, className, ...content) {
  const e = document.createElement(name);
  e.className = className;
  e.append(...content);
  return e;
}

// "in 24 hours", "4 minutes ago".
function ago(date) {
  const seconds = Math.round((date - Date.now()) / 1000);
  for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60]]) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return relative.format(seconds, 'second');
}

// The sections change only between signed out and signed in; in between the buttons rest.
function setState(state, text) {
  document.body.dataset.state = state;
  $('status').textContent = text;
  for (const button of document.querySelectorAll('button')) button.disabled = state === 'signing-in';
  if (state === 'signing-in') return;
  $('signed-out').hidden = state !== 'signed-out';
  $('signed-in').hidden = state !== 'signed-in';
}

function showError(error) {
  const { backend } = document.body.dataset;
  $('error').textContent = error instanceof Unreachable
    ? `The backend at ${backend} does not answer this page. Start it with “make run” and reload; if it is ` +
      `running, backend.cors.origin in its configuration must list ${location.origin}.`
    : error.message;
  $('error').hidden = false;
}
