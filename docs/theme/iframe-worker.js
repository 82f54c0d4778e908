// Search from disk: browsers refuse a Worker to file://, so its script runs in a hidden frame and is spoken to alike.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.onmessage = null;
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      this.frame = frame;
      const inner = frame.contentWindow;
      // importScripts of a worker waits; here each script is awaited, and the scripts of the theme await it.
      inner.importScripts = (...scripts) => scripts.reduce((before, each) => before.then(() => new Promise((done) => {
        const script = inner.document.createElement("script");
        script.src = each;
        script.addEventListener("load", done);
        inner.document.body.appendChild(script);
      })), Promise.resolve());
      inner.postMessage = (data) => {
        const message = new MessageEvent("message", { data });
        if (this.onmessage) this.onmessage(message);
        this.dispatchEvent(message);
      };
      this.ready = new Promise((done) => {
        const script = inner.document.createElement("script");
        script.src = new URL(address, document.baseURI).href;
        script.addEventListener("load", done);
        inner.document.body.appendChild(script);
      });
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
