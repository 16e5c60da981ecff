// Node's ws, undici and a headless Chromium in a session.
//
//   node peer.js ws|undici|chromium client URL MESSAGES
//   node peer.js ws server MESSAGES
const fs = require("node:fs");
const { parse, session } = require("./session.js");

const read = (path) => parse(new Uint8Array(fs.readFileSync(path)).buffer);
const ALL = { threshold: 0 }; // short messages are compressed too

const clients = {
  ws(url, path) {
    const WebSocket = require("ws");
    return session(new WebSocket(url, { perMessageDeflate: ALL }), read(path));
  },
  undici(url, path) {
    const { WebSocket } = require("undici"); // which is also Node's own
    return session(new WebSocket(url), read(path));
  },
  async chromium(url) {
    const { chromium } = require("playwright-core");
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM,
      chromiumSandbox: false, // it does not work for root
      args: ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
    });
    try {
      const page = await browser.newPage();
      await page.goto(new URL("/", url.replace("ws", "http")).href);
      await page.evaluate((address) => talk(address), url);
    } finally {
      await browser.close();
    }
  },
};

function server(path) {
  const { WebSocketServer } = require("ws");
  const messages = read(path);
  return new Promise((resolve, reject) => {
    const listener = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: ALL });
    listener.on("listening", () => console.log(`listening on ${listener.address().port}`));
    listener.on("connection", (socket, request) => {
      if (request.url === "/getCaseCount") {
        socket.send("1");
        socket.close();
      } else {
        session(socket, messages).then(resolve, reject);
      }
    });
  });
}

const [name, role, ...words] = process.argv.slice(2);
(role === "server" ? server(...words) : clients[name](...words)).then(
  () => process.exit(0),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
