// Node's ws, which can also ping, send fragments and show the handshake's answer.
// Run by .ci/interop/run ws.
const assert = require("node:assert");
const { once } = require("node:events");
const WebSocket = require("ws");
const { echoes, servers, urls, ends, check, checkEchoServers } = require("./lib.js");

globalThis.WebSocket = WebSocket;

async function open(url, options) {
  const socket = new WebSocket(url, { handshakeTimeout: 10_000, ...options });
  await once(socket, "open");
  return socket;
}

const within = (seconds) => ({ signal: AbortSignal.timeout(seconds * 1000) });

// The HTTP status with which a handshake is refused.
function refusal(url, options) {
  const socket = new WebSocket(url, { handshakeTimeout: 10_000, ...options });
  return new Promise((resolve, reject) => {
    socket.on("unexpected-response", (_, response) => {
      response.destroy();
      resolve(response.statusCode);
    });
    socket.on("open", () => reject(new Error("the handshake succeeded")));
    socket.on("error", reject);
  });
}

// Parameters that a client may ask for; the first are what it asks for by itself. One in three messages goes uncompressed.
const offers = {
  "the defaults": true,
  "no takeover": { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 },
  "small windows": { serverMaxWindowBits: 9, clientMaxWindowBits: 9, threshold: 0 },
};

// 10,000 messages, each compared.
async function compressed(url, perMessageDeflate) {
  const socket = await open(url, { perMessageDeflate });
  assert.equal(socket.extensions !== "", Boolean(process.env.DEFLATE && perMessageDeflate));
  let state = 7692;
  const below = (n) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % n;
  };
  const text = () => JSON.stringify(Array.from({ length: below(20) }, () => ({ id: below(1e6), symbol: ["EURUSD", "GBPJPY"][below(2)], name: "Grüße, 世界" })));
  const noise = () => Buffer.from(Array.from({ length: below(600) }, () => below(256)));
  for (let batch = 0; batch < 200; batch += 1) {
    const messages = Array.from({ length: 50 }, () => (below(8) === 0 ? noise() : text()));
    const answers = new Promise((resolve, reject) => {
      const got = [];
      const hear = (data, isBinary) => {
        got.push(isBinary ? data : data.toString());
        if (got.length === messages.length) {
          socket.off("message", hear);
          resolve(got);
        }
      };
      socket.on("message", hear);
      socket.once("close", (code) => reject(new Error(`closed with ${code}`)));
    });
    for (const message of messages) {
      socket.send(message, { compress: below(3) > 0 });
      if (below(20) === 0) socket.ping(noise().subarray(0, 50));
    }
    assert.deepEqual(await answers, messages);
  }
  socket.terminate();
}

async function main() {
  await checkEchoServers("ws");
  for (const server of echoes) {
    await check(`ws ${server}: a ping is answered with its payload`, async () => {
      const socket = await open(urls[server]);
      for (const payload of ["", "are you there?", "x".repeat(125)]) {
        socket.ping(payload);
        const [answer] = await once(socket, "pong", within(10));
        assert.equal(answer.toString(), payload);
      }
      socket.terminate();
    });
    await check(`ws ${server}: a ping between two fragments`, async () => {
      const socket = await open(urls[server]);
      const pong = once(socket, "pong", within(10));
      const message = once(socket, "message", within(10));
      socket.send("one, ", { fin: false });
      socket.ping("now");
      await pong;
      socket.send("two", { fin: true });
      assert.equal((await message)[0].toString(), "one, two");
      socket.terminate();
    });
    for (const [name, offer] of Object.entries(offers)) {
      await check(`ws ${server}: 10,000 messages, compressed with ${name}`, () => compressed(urls[server], offer));
    }
    await check(`ws ${server}: 10,000 messages to a client that does not offer it`, () => compressed(urls[server], false));
  }
  for (const server of servers) {
    await check(`ws ${server}: the host's own origin is let in`, async () => {
      const socket = await open(urls[server], { origin: `http://${new URL(urls[server]).host}` });
      socket.terminate();
    });
    await check(`ws ${server}: another origin is refused with 403`, async () => {
      assert.equal(await refusal(urls[server], { origin: "http://other.example" }), 403);
    });
  }
  await check("ws echo: SIGINT closes with 1001", async () => {
    const socket = await open(urls.echo);
    process.kill(process.env.ECHO_PID, "SIGINT");
    const [code] = await once(socket, "close", within(10));
    assert.equal(code, 1001);
    await ends(process.env.ECHO_PID);
  });
}

main().then(() => process.exit()); // a failed check may have left connections open
