// A window for the scripts of a login page. It has what they use, and records what they do. The value of this
// script is a function. It takes the JSON of {tree, codes, situation, url} and returns the JSON of the record.
(function () {
  'use strict';
  const page = globalThis;
  const parse = page.parseHTML;
  delete page.parseHTML;
  const evaluate = page.eval; // called under another name it works in the global scope

  return function run(input) {
    const { tree, codes, situation, url } = JSON.parse(input);
    const out = { messages: [] };
    const note = (list, value) => { (out[list] = out[list] || []).push(value); };
    let clock = 0;
    const timers = [];
    const later = (callback, ms, args) => timers.push({ at: clock + Number(ms || 0), callback, args });

    // Elements are handles on the nodes of the tree.
    const handles = new Map();
    const walk = node => node.children.flatMap(child => (typeof child === 'string' ? [] : [child, ...walk(child)]));
    const text = node => node.children.map(child => (typeof child === 'string' ? child : text(child))).join('');
    const element = node => {
      if (!node) return null;
      if (!handles.has(node)) handles.set(node, wrap(node));
      return handles.get(node);
    };
    const find = selector => {
      const match = /^([a-z0-9]*)(?:#([\w-]+))?$/i.exec(selector);
      if (!match) throw new Error('this window knows no selector ' + selector);
      return walk(tree).filter(node => (!match[1] || node.tag === match[1].toLowerCase()) && (!match[2] || node.attributes.id === match[2]));
    };
    const wrap = node => ({
      tagName: node.tag.toUpperCase(), style: {}, id: node.attributes.id || '', nonce: node.attributes.nonce || '',
      dataset: Object.fromEntries(Object.entries(node.attributes).filter(([name]) => name.startsWith('data-'))
        .map(([name, value]) => [name.slice(5).replace(/-([a-z])/g, (_, letter) => letter.toUpperCase()), value])),
      get textContent() { return text(node); }, set textContent(value) { node.children = [String(value)]; },
      get innerText() { return text(node); }, set innerText(value) { node.children = [String(value)]; },
      set innerHTML(value) { node.children = JSON.parse(parse(String(value))).children; },
      get hidden() { return 'hidden' in node.attributes; },
      set hidden(value) { if (value) node.attributes.hidden = ''; else delete node.attributes.hidden; },
      getAttribute: name => (name in node.attributes ? node.attributes[name] : null),
      setAttribute: (name, value) => { node.attributes[name] = String(value); },
    });

    const post = to => (data, target) => {
      const targetOrigin = target && typeof target === 'object' ? target.targetOrigin : target;
      out.messages.push({ to, targetOrigin: targetOrigin === undefined ? null : targetOrigin, data: JSON.parse(JSON.stringify(data)) });
    };
    const openers = {
      openerReadable: () => ({ location: { origin: 'http://opener.example' }, closed: false, postMessage: post('opener') }),
      openerCrossOrigin: () => ({
        get location() { throw Object.assign(new Error('Blocked a frame from accessing a cross-origin frame.'), { name: 'SecurityError' }); },
        closed: false, postMessage: post('opener'),
      }),
      noOpener: () => null,
    };
    const go = target => note('navigations', String(target));
    const location = Object.assign({ replace: go, assign: go, reload() {}, toString: () => url.href }, url);
    Object.defineProperty(location, 'href', { get: () => url.href, set: go });
    const listen = (type, callback) => { if (['DOMContentLoaded', 'load', 'pageshow'].includes(type)) later(callback, 0, [{}]); };
    Object.assign(page, {
      window: page, self: page, top: page, parent: page, frames: page, name: '', closed: false, location,
      opener: openers[situation](), postMessage: post('self'),
      close: () => { if (!('closeAfterMs' in out)) out.closeAfterMs = clock; },
      setTimeout: (callback, ms, ...args) => later(callback, ms, args),
      clearTimeout: id => { if (timers[id - 1]) timers[id - 1].callback = null; },
      addEventListener: listen, removeEventListener() {},
      console: { log() {}, warn() {}, error() {}, info() {}, debug() {} },
      fetch: target => { note('fetched', String(target)); return new Promise(() => {}); },
      alert: message => note('alerts', String(message)),
      document: {
        get body() { return element(find('body')[0]); },
        get documentElement() { return element(find('html')[0]); },
        get title() { const title = find('title')[0]; return title ? text(title) : ''; },
        readyState: 'complete', referrer: '', cookie: '',
        getElementById: id => element(walk(tree).find(node => node.attributes.id === id)),
        querySelector: selector => element(find(selector)[0]),
        addEventListener: listen, removeEventListener() {},
      },
    });

    const attempt = work => { try { work(); } catch (error) { note('errors', (error && error.name) || 'unknown'); } };
    codes.forEach(code => attempt(() => evaluate(code)));
    for (let round = 0; round < 50; round += 1) {
      const due = timers.filter(timer => timer.callback).sort((a, b) => a.at - b.at)[0];
      if (!due || due.at > 60000) break;
      clock = due.at;
      const callback = due.callback;
      due.callback = null;
      attempt(() => callback(...due.args));
    }
    const unseen = ['script', 'style', 'head', 'title', 'template', 'noscript', 'meta', 'link'];
    const visible = node => (unseen.includes(node.tag) || 'hidden' in node.attributes || /display:\s*none/.test(node.attributes.style || '')
      ? '' : node.children.map(child => (typeof child === 'string' ? child : ` ${visible(child)} `)).join(''));
    out.closes = 'closeAfterMs' in out;
    out.visibleText = visible(tree);
    return JSON.stringify(out);
  };
})();
