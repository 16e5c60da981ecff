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
