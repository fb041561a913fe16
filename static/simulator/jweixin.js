// The simulator's own stand-in for the JS-SDK: `wx`, as pages inside WeChat know it. The phone behind it is the drawn one;
// outside it nothing happens, as with the real one outside WeChat.
"use strict";
(() => {
  const phone = window.phoneFrame;
  const home = phone && `/phone/${phone.person}/jssdk`;
  const PICTURE = /^weixin:\/\/resourceid\/(\w+)-/;
  const waiting = []; // what waits for a good configuration
  let verdict = null; // what the configuration was answered with
  let failed = () => {};

  async function ask(path, body) {
    const answer = await phone.fetch(`${home}/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }

  async function check({ appId, timestamp, nonceStr, signature, jsApiList = [] }) {
    try {
      verdict = await ask("config", { appId, timestamp, nonceStr, signature, jsApiList });
    } catch {
      verdict = { errMsg: "config:fail" };
    }
    if (verdict.errMsg !== "config:ok") {
      failed({ errMsg: verdict.errMsg });
      return;
    }
    for (const done of waiting.splice(0)) done();
  }

  const config = (given = {}) => void (phone && check(given));

  function ready(done) {
    if (verdict?.errMsg === "config:ok") done();
    else waiting.push(done);
  }

  function error(told) {
    failed = told;
    if (verdict && verdict.errMsg !== "config:ok") told({ errMsg: verdict.errMsg });
  }

  /** A call of the phone: `work` gives what "ok" comes with, or throws an Error whose message is how it ended. */
  function call(name, work) {
    const run = async (options) => {
      let result;
      let how = "ok";
      try {
        if (!verdict?.calls?.includes(name)) throw new Error("permission denied");
        result = await work(options);
      } catch (problem) {
        how = ["cancel", "permission denied"].includes(problem.message) ? problem.message : "fail";
      }
      const told = { ...result, errMsg: `${name}:${how}` };
      const listener = how === "ok" ? options.success : how === "cancel" ? options.cancel : options.fail;
      listener?.(told);
      options.complete?.(told);
    };
    // Like the real ones, it returns at once, and nothing.
    return (options = {}) => void (phone && run(options));
  }

  const nameOf = (localId) => {
    const found = PICTURE.exec(localId);
    if (!found) throw new Error("fail");
    return found[1];
  };

  // The overlays

  /** Show a dialog until `settle` is called with what was chosen, or with an Error. */
  function overlay(dialog, prepare) {
    const before = document.activeElement;
    return new Promise((done, failed) => {
      const settle = (value) => {
        dialog.remove();
        before?.focus?.();
        if (value instanceof Error) failed(value);
        else done(value);
      };
      dialog.addEventListener("cancel", (event) => {
        event.preventDefault(); // Escape
        settle(new Error("cancel"));
      });
      prepare(settle);
      document.body.append(dialog);
      dialog.showModal();
    });
  }

  async function picker(count) {
    const answer = await phone.fetch(`${home}/pictures?count=${count}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const dialog = document.adoptNode(page.querySelector("[data-picker]"));
    const most = Number(dialog.dataset.most);
    const chosen = [];
    return overlay(dialog, (settle) => {
      const done = dialog.querySelector("[data-done]");
      dialog.querySelector("[data-cancel]").addEventListener("click", () => settle(new Error("cancel")));
      done?.addEventListener("click", () => settle(chosen));
      for (const button of dialog.querySelectorAll("[data-picture]")) {
        button.addEventListener("click", () => {
          const name = button.dataset.picture;
          if (most === 1) return settle([name]);
          const at = chosen.indexOf(name);
          if (at >= 0) chosen.splice(at, 1);
          else if (chosen.length < most) chosen.push(name);
          button.setAttribute("aria-pressed", String(chosen.includes(name)));
          done.disabled = chosen.length === 0;
        });
      }
    });
  }

  let picked = 0;
  const localId = (name) => `weixin://resourceid/${name}-${Date.now().toString(16)}${picked++}`;

  const calls = {
    async chooseImage({ count = 9 }) {
      return { localIds: (await picker(count)).map(localId), sourceType: "album" };
    },

    async uploadImage({ localId }) {
      const told = await ask("upload", { pass: verdict.pass, picture: nameOf(localId) });
      if (!told.serverId) throw new Error("fail");
      return { serverId: told.serverId };
    },

    async previewImage({ current, urls = [] }) {
      const dialog = document.createElement("dialog");
      dialog.className = "simulator-preview";
      dialog.dataset.preview = "";
      const button = document.createElement("button");
      const picture = document.createElement("img");
      picture.src = current ?? urls[0] ?? "";
      picture.alt = "";
      button.append(picture);
      dialog.append(button);
      // Like the real one's, it says that it is there, and goes by itself.
      overlay(dialog, (settle) => button.addEventListener("click", () => settle())).catch(() => {});
    },

    async getLocalImgData({ localId }) {
      const answer = await phone.fetch(`/static/simulator/picture-${nameOf(localId)}.jpg`);
      const reader = new FileReader();
      const read = new Promise((done) => reader.addEventListener("load", done));
      reader.readAsDataURL(await answer.blob());
      await read;
      return { localData: reader.result };
    },

    async checkJsApi({ jsApiList = [] }) {
      return { checkResult: Object.fromEntries(jsApiList.map((name) => [name, name in calls])) };
    },

    async closeWindow() {
      parent.postMessage({ simulator: "close" }, location.origin);
    },
  };

  window.wx = window.jWeixin = { config, ready, error };
  for (const [name, work] of Object.entries(calls)) window.wx[name] = call(name, work);
})();
