// What every client with the browser's WebSocket interface does with an echo server.
//
// Used by ws.js, undici.js and chromium.js, the last of which runs it inside a page: so the function
// must not refer to anything outside of itself. It takes the server's URL and `closeUrl`, which
// makes the server start the close (null: it has none), and returns [name, null or what went wrong]
// for each check.

module.exports = async function webapi({ url, closeUrl, limit }) {
  const results = [];

  async function check(name, test) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("nothing happened for 20 seconds")), 20_000);
    });
    try {
      await Promise.race([test(), late]);
      results.push([name, null]);
    } catch (error) {
      results.push([name, String((error && error.message) || error)]);
    } finally {
      clearTimeout(timer);
    }
  }

  function same(got, expected) {
    if (got === expected) return;
    const short = (value) => JSON.stringify(value)?.slice(0, 100) ?? String(value);
    throw new Error(`got ${short(got)}, expected ${short(expected)}`);
  }

  // The promise of the next event of this kind; rejects when the connection ends first.
  function event(socket, kind) {
    return new Promise((resolve, reject) => {
      socket.addEventListener(kind, resolve, { once: true });
      if (kind !== "close") {
        socket.addEventListener("close", (close) => reject(new Error(`closed: ${close.code} ${close.reason}`)), { once: true });
      }
    });
  }

  async function open(address, protocols = []) {
    const socket = new WebSocket(address, protocols);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("error", () => {}); // what matters is the close event that follows
    await event(socket, "open");
    return socket;
  }

  async function closed(socket, start) {
    const end = event(socket, "close");
    start?.();
    const { code, reason, wasClean } = await end;
    return `${code} ${reason} ${wasClean ? "clean" : "not clean"}`;
  }

  async function echoes(messages) {
    const socket = await open(url);
    for (const message of messages) {
      const answer = event(socket, "message");
      socket.send(message);
      const { data } = await answer;
      same(typeof data, typeof message);
      if (typeof message === "string") {
        same(data, message);
      } else {
        const got = new Uint8Array(data);
        same(got.length, message.length);
        same(got.findIndex((byte, i) => byte !== message[i]), -1);
      }
    }
    same(await closed(socket, () => socket.close(1000)), "1000  clean");
  }

  const bytes = (length) => Uint8Array.from({ length }, (_, i) => (i * 31) % 256);

  await check("text", () => echoes(["hello", "Grüße, 世界, 👋"]));
  await check("binary", () => echoes([bytes(256)]));
  await check("an empty text, an empty binary message", () => echoes(["", new Uint8Array(0), "after"]));
  await check("every form of the length", () => echoes([125, 126, 65535, 65536].map(bytes)));
  await check("a text of 1 MiB", () => echoes(["x".repeat(limit)]));
  await check("a binary message of 1 MiB", () => echoes([bytes(limit)]));
  await check("10,000 messages of JSON", async () => {
    const socket = await open(url);
    for (let batch = 0; batch < 200; batch += 1) {
      const tick = (_, i) => JSON.stringify({ id: batch * 50 + i, symbol: "EURUSD", bid: 1 + i / 1e4, name: "Grüße, 世界" }).repeat(i % 9);
      const messages = Array.from({ length: 50 }, tick);
      const answers = [];
      const all = new Promise((resolve, reject) => {
        socket.onmessage = ({ data }) => { if (answers.push(data) === messages.length) resolve(); };
        socket.onclose = ({ code }) => reject(new Error(`closed: ${code}`));
      });
      for (const message of messages) socket.send(message);
      await all;
      messages.forEach((message, i) => same(answers[i], message));
    }
    socket.onclose = null;
    same(await closed(socket, () => socket.close(1000)), "1000  clean");
  });
  await check("one byte more is answered by 1009", async () => {
    const socket = await open(url);
    const end = await closed(socket, () => socket.send("x".repeat(limit + 1)));
    same(end.split(" ")[0], "1009");
  });
  await check("a subprotocol is agreed", async () => {
    const socket = await open(url, ["chat.v2", "chat.v1"]);
    same(socket.protocol, "chat.v2");
    same(await closed(socket, () => socket.close(1000)), "1000  clean");
  });
  await check("no subprotocol is agreed when none is offered", async () => {
    const socket = await open(url);
    same(socket.protocol, "");
    same(await closed(socket, () => socket.close(1000)), "1000  clean");
  });
  await check("its close is answered with the same code and reason", async () => {
    const socket = await open(url);
    same(await closed(socket, () => socket.close(4000, "done")), "4000 done clean");
  });
  if (closeUrl) {
    await check("the server's close comes with code and reason", async () => {
      const socket = await open(closeUrl);
      same(await closed(socket), "4001 bye clean");
    });
  }
  return results;
};
