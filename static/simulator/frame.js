// Runs before all else of a page in the drawn phone's frame. The page stands at the simulator's address; its scripts are
// told of the site's own. `phoneScope` holds what they find in place of the browser's names; addresses that they write
// into the page lead through the simulator.
"use strict";
(() => {
  const { simulator, agent } = document.currentScript.dataset;
  const real = window.location;
  const fetchHere = window.fetch.bind(window);
  const person = real.pathname.split("/")[2];
  const prefix = `/phone/${person}/web/`;
  const SDK = /^https?:\/\/[^/]+(\/open\/js\/jweixin-[\d.]+\.js)$/;
  const SDK_HOSTS = ["res.wx.qq.com", "res2.wx.qq.com"];

  // Addresses, there and back

  /** The site's address that one of the frame stands for. */
  function original(address) {
    const url = new URL(address, real.href);
    if (url.origin !== real.origin || !url.pathname.startsWith(prefix)) return url.href;
    const [, scheme, rest] = /^(https?)\/(.*)$/s.exec(url.pathname.slice(prefix.length)) ?? [];
    return scheme ? new URL(`${scheme}://${rest}${url.search}${url.hash}`).href : url.href;
  }

  const here = () => original(real.href);

  /** What a script of the site means by an address; one of the frame means the site's. */
  function meant(text) {
    const url = new URL(text, here());
    if (!url.pathname.startsWith(prefix)) return url;
    return new URL(original(real.origin + url.pathname + url.search + url.hash));
  }

  /** Where the frame finds what a script of the site names; what is no page or file stays as it is. */
  function address(text) {
    text = String(text);
    if (text === "" || text.startsWith("#")) return text;
    const picture = /^weixin:\/\/resourceid\/(\w+)-/.exec(text);
    if (picture) return `/static/simulator/picture-${picture[1]}.jpg`;
    let url;
    try {
      url = meant(text);
    } catch {
      return text;
    }
    if (!/^https?:$/.test(url.protocol)) return text;
    const sdk = SDK.exec(url.origin + url.pathname);
    if (sdk && (url.origin === simulator || SDK_HOSTS.includes(url.host))) return "/open/js/jweixin-1.6.0.js";
    return `${prefix}${url.protocol.slice(0, -1)}/${url.host}${url.pathname}${url.search}${url.hash}`;
  }

  /** For what only the site's own server answers. */
  function sameSite(text) {
    const url = meant(text);
    if (url.origin !== place.origin) throw new TypeError("the phone's frame reaches only the page's own site");
    return address(url.href);
  }

  // What the scripts find

  const place = {
    assign: (url) => real.assign(address(meant(url).href)),
    replace: (url) => real.replace(address(meant(url).href)),
    reload: () => real.reload(),
    toString: here,
  };
  for (const part of ["href", "protocol", "host", "hostname", "port", "pathname", "search", "hash", "origin"]) {
    Object.defineProperty(place, part, {
      enumerable: true,
      get: () => new URL(here())[part],
      set(value) {
        if (part === "hash") {
          real.hash = value;
          return;
        }
        const url = new URL(part === "href" ? new URL(value, here()) : here());
        url[part] = part === "href" ? url.href : value;
        place.assign(url.href);
      },
    });
  }

  async function fetchThroughFrame(input, options) {
    const answer = await fetchHere(input instanceof Request ? input : sameSite(input), options);
    // A page elsewhere, or a server that is not there: the browser would have said so itself.
    if (answer.headers.has("X-Simulator-Network-Error")) throw new TypeError("Failed to fetch");
    Object.defineProperty(answer, "url", { value: original(answer.url) });
    return answer;
  }

  class SiteRequest extends window.Request {
    constructor(input, options) {
      super(input instanceof window.Request ? input : sameSite(input), options);
    }
  }

  class OldRequest extends window.XMLHttpRequest {
    open(method, url, ...more) {
      super.open(method, sameSite(url), ...more);
    }
  }

  /** Sockets and workers do not pass through the frame: pages do without, as on a poor line. */
  function absent(name) {
    return function () {
      throw new DOMException(`${name} does not pass through the phone's frame`, "SecurityError");
    };
  }

  // What pages keep here, they keep for one person and one site.
  const owner = `${person} ${new URL(here()).origin} `;

  class OwnChannel extends window.BroadcastChannel {
    constructor(name) {
      super(owner + name);
    }
  }

  function ownStorage(store) {
    const keys = () => Object.keys(store).filter((key) => key.startsWith(owner));
    return {
      getItem: (key) => store.getItem(owner + key),
      setItem: (key, value) => store.setItem(owner + key, value),
      removeItem: (key) => store.removeItem(owner + key),
      clear: () => keys().forEach((key) => store.removeItem(key)),
      key: (index) => keys()[index]?.slice(owner.length) ?? null,
      get length() {
        return keys().length;
      },
    };
  }

  const passOn = (name) => (state, title, url) =>
    history[name](state, title, url === undefined || url === null ? url : sameSite(url));

  const scope = {
    location: place,
    history: new Proxy(history, {
      get(target, name) {
        if (name === "pushState" || name === "replaceState") return passOn(name);
        const value = target[name];
        return typeof value === "function" ? value.bind(target) : value;
      },
      set: (target, name, value) => Reflect.set(target, name, value),
    }),
    open: (url) => {
      if (url) place.assign(url);
      return null;
    },
    fetch: fetchThroughFrame,
    Request: SiteRequest,
    XMLHttpRequest: OldRequest,
    BroadcastChannel: OwnChannel,
    localStorage: ownStorage(window.localStorage),
    sessionStorage: ownStorage(window.sessionStorage),
  };
  for (const name of ["WebSocket", "EventSource", "Worker", "SharedWorker"]) scope[name] = absent(name);

  const bound = new Map();
  // An empty target: the real window's fixed properties may then be answered with others.
  scope.window = new Proxy(Object.create(null), {
    get(_, name) {
      if (Object.hasOwn(scope, name)) return scope[name];
      const value = window[name];
      // The window's own functions want the window itself; classes are left as they are.
      if (typeof value !== "function" || value.prototype) return value;
      if (!bound.has(value)) bound.set(value, value.bind(window));
      return bound.get(value);
    },
    set(_, name, value) {
      if (name === "location") place.assign(value);
      else window[name] = value;
      return true;
    },
    has: (_, name) => name in window,
    deleteProperty: (_, name) => delete window[name],
  });
  for (const name of ["self", "globalThis", "parent", "top"]) scope[name] = scope.window;
  window.phoneScope = Object.freeze(scope);

  const referrer = document.referrer.includes(prefix) ? original(document.referrer) : "";
  const told = {
    URL: here,
    documentURI: here,
    referrer: () => referrer,
    cookie: () => "", // cookies are kept by the simulator, for the person
  };
  for (const [name, get] of Object.entries(told)) {
    Object.defineProperty(document, name, { configurable: true, get, set() {} });
  }
  Object.defineProperty(navigator, "userAgent", { configurable: true, get: () => agent });

  // What scripts write into the page

  const WRITTEN = new Map(
    Object.entries({
      A: ["href"], AREA: ["href"], LINK: ["href"], IMG: ["src"], SCRIPT: ["src"], SOURCE: ["src"], AUDIO: ["src"],
      VIDEO: ["src", "poster"], FORM: ["action"], BUTTON: ["formaction"], INPUT: ["formaction", "src"],
    }), // prettier-ignore
  );
  const SELECTOR = [...WRITTEN].flatMap(([tag, names]) => names.map((name) => `${tag.toLowerCase()}[${name}]`)).join();
  const PROPERTIES = { formaction: "formAction" };
  const OWN = ["/static/simulator/", "/open/js/", prefix];
  const { getAttribute, setAttribute } = Element.prototype;

  function patchProperties() {
    for (const [tag, names] of WRITTEN) {
      for (const name of names) {
        const property = PROPERTIES[name] ?? name;
        let prototype = Object.getPrototypeOf(document.createElement(tag));
        while (!Object.hasOwn(prototype, property)) prototype = Object.getPrototypeOf(prototype);
        const { get, set, ...more } = Object.getOwnPropertyDescriptor(prototype, property);
        if (get.patched) continue;
        const told = function () {
          const value = get.call(this);
          return typeof value === "string" && value ? original(value) : value;
        };
        told.patched = true;
        const taken = function (value) {
          set.call(this, address(value));
        };
        Object.defineProperty(prototype, property, { ...more, get: told, set: taken });
      }
    }
  }

  Element.prototype.setAttribute = function (name, value) {
    const written = WRITTEN.get(this.tagName)?.includes(String(name).toLowerCase());
    setAttribute.call(this, name, written ? address(value) : value);
  };

  Element.prototype.getAttribute = function (name) {
    const value = getAttribute.call(this, name);
    return value?.startsWith(prefix) && WRITTEN.get(this.tagName)?.includes(name) ? original(value) : value;
  };

  /** Lead the addresses below a node through the frame. */
  function lead(node) {
    for (const element of node.querySelectorAll?.(SELECTOR) ?? []) leadOne(element);
    for (const inert of node.querySelectorAll?.("template") ?? []) lead(inert.content);
    return node;
  }

  function leadOne(element) {
    for (const name of WRITTEN.get(element.tagName) ?? []) {
      const value = getAttribute.call(element, name);
      if (value === null || OWN.some((own) => value.startsWith(own))) continue;
      const led = address(value);
      if (led !== value) setAttribute.call(element, name, led);
    }
  }

  const parse = DOMParser.prototype.parseFromString;
  DOMParser.prototype.parseFromString = function (text, type) {
    return lead(parse.call(this, text, type));
  };

  const AS_IT_IS = ["TEMPLATE", "SCRIPT", "STYLE", "TEXTAREA", "TITLE"];
  const inner = Object.getOwnPropertyDescriptor(Element.prototype, "innerHTML");
  Object.defineProperty(Element.prototype, "innerHTML", {
    ...inner,
    set(text) {
      if (!(this instanceof HTMLElement) || AS_IT_IS.includes(this.tagName)) {
        inner.set.call(this, text);
        if (this.content) lead(this.content);
        return;
      }
      const inert = document.createElement("template");
      inner.set.call(inert, text);
      this.replaceChildren(lead(inert.content));
    },
  });

  patchProperties();

  // What came another way.
  new MutationObserver((changes) => {
    for (const { addedNodes, target, type } of changes) {
      if (type === "attributes") leadOne(target);
      for (const node of addedNodes) {
        if (node.nodeType !== Node.ELEMENT_NODE) continue;
        leadOne(node);
        lead(node);
      }
    }
  }).observe(document, {
    subtree: true,
    childList: true,
    attributeFilter: [...new Set([...WRITTEN.values()].flat())],
  });

  // For the JS-SDK, which is the phone's own.
  Object.defineProperty(window, "phoneFrame", { value: Object.freeze({ person, fetch: fetchHere }) });
})();
