// A headless Chromium: a page of each echo server talks to it, also in HTTP/2, a page from elsewhere is refused,
// and the chat's page is used in three tabs, over a restart of its server.
// Run by .ci/interop/run chromium.
const assert = require("node:assert");
const { spawn } = require("node:child_process");
const { chromium } = require("playwright-core");
const { LIMIT, servers, urls, webapi, report, until, ends, check, checkEchoServers } = require("./lib.js");

// The page that comes from the same host and port as the socket.
const pageOf = (url) => new URL("/", url.replace("ws", "http")).href;

async function main() {
  // An empty name of the profile's folder: a fresh one, removed at the end.
  const browser = await chromium.launchPersistentContext("", {
    executablePath: process.env.CHROMIUM,
    chromiumSandbox: false, // it does not work for root
    args: ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
    ignoreHTTPSErrors: true, // hyper_echo signs its certificate itself
  });
  browser.setDefaultTimeout(15_000);
  try {
    await checkEchoServers("chromium", async (options) => {
      const page = await browser.newPage();
      try {
        await page.goto(pageOf(options.url));
        return await page.evaluate(webapi, options);
      } finally {
        await page.close();
      }
    });
    for (const server of servers) {
      await check(`chromium ${server}: a page of another origin is refused`, () => otherOrigin(browser, urls[server]));
    }
    await http2(browser, process.env.HYPER_ECHO_TLS_URL);
    await chat(browser);
  } finally {
    await browser.close();
  }
}

// All of it again in the HTTP/2 connection that brought the page (RFC 8441): there a handshake is answered by 200,
// and by 101 in a connection of HTTP/1.1.
async function http2(browser, url) {
  const page = await browser.newPage();
  const network = await page.context().newCDPSession(page);
  await network.send("Network.enable");
  const answers = [], protocols = [];
  network.on("Network.webSocketHandshakeResponseReceived", ({ response }) => answers.push(response.status));
  network.on("Network.responseReceived", ({ response }) => protocols.push(response.protocol));
  await page.goto(pageOf(url));
  const results = await page.evaluate(webapi, { url, closeUrl: null, limit: LIMIT });
  for (const [name, error] of results) report(`chromium hyper_echo in HTTP/2: ${name}`, error);
  await check("chromium hyper_echo in HTTP/2: no socket has a connection of its own", async () => {
    assert.equal(protocols[0], "h2");
    assert.ok(answers.length >= results.length, `${answers.length} handshakes`);
    assert.deepEqual(new Set(answers), new Set([200]));
  });
  await check("chromium hyper_echo in HTTP/2: a page of another origin is refused", () => otherOrigin(browser, url));
  await check("chromium hyper_echo in HTTP/2: a stop closes with 1001", async () => {
    const code = page.evaluate((address) => new Promise((resolve) => {
      const socket = new WebSocket(address);
      socket.onopen = () => { document.title = "open"; };
      socket.onclose = (close) => resolve(close.code);
    }), url);
    await until(async () => await page.title() === "open", () => "no socket was opened");
    process.kill(process.env.HYPER_ECHO_TLS_PID, "SIGTERM");
    assert.equal(await code, 1001);
  });
  await page.close();
}

// Opens a socket from a page which another server sent.
async function otherOrigin(browser, url) {
  const page = await browser.newPage();
  await page.goto(pageOf(url === urls.embed ? urls.echo : urls.embed));
  const events = await page.evaluate((address) => new Promise((resolve) => {
    const seen = [];
    const socket = new WebSocket(address);
    socket.onopen = () => { seen.push("open"); socket.close(); };
    socket.onerror = () => seen.push("error");
    socket.onclose = ({ code }) => resolve([...seen, `close ${code}`]);
  }), url);
  await page.close();
  assert.equal(events.join(", "), "error, close 1006");
}

async function chat(browser) {
  const address = new URL(urls.chat).host;
  const tabs = [];
  let server;

  async function join(name) {
    const tab = await browser.newPage();
    tabs.push(tab);
    await tab.goto(pageOf(urls.chat));
    await state(tab, (text) => text === "connected");
    await tab.fill("#name", name);
    await tab.press("#name", "Enter");
    return tab;
  }

  async function say(tab, text) {
    await tab.fill("#text", text);
    await tab.press("#text", "Enter");
  }

  // Waits until a tab's list has these entries, each somewhere in an entry of its own.
  async function lists(tab, list, ...entries) {
    const texts = () => tab.locator(`${list} li`).allTextContents();
    const good = (got) => got.length === entries.length && entries.every((entry) => got.some((text) => text.includes(entry)));
    await until(async () => good(await texts()), async () => `${list} is ${JSON.stringify(await texts())}, not ${JSON.stringify(entries)}`);
  }

  async function state(tab, good) {
    const text = async () => (await tab.textContent("#state")).trim();
    await until(async () => good(await text()), async () => `#state is ${JSON.stringify(await text())}`, 30);
  }

  try {
    let ada, grace;
    await check("chromium chat: two tabs join and see each other", async () => {
      ada = await join("Ada");
      grace = await join("Grace");
      await lists(ada, "#people", "Ada", "Grace");
      await lists(grace, "#people", "Ada", "Grace");
    });
    await check("chromium chat: they exchange messages", async () => {
      await say(ada, "hello");
      await lists(grace, "#messages", "Ada: hello");
      await say(grace, "Grüße 👋 <b>not bold</b>");
      await lists(ada, "#messages", "Ada: hello", "Grace: Grüße 👋 <b>not bold</b>");
    });
    await check("chromium chat: a late third tab gets the history", async () => {
      const late = await join("Linus");
      await lists(late, "#messages", "Ada: hello", "Grace: Grüße 👋 <b>not bold</b>");
      await lists(late, "#people", "Ada", "Grace", "Linus");
      await late.close();
      await lists(ada, "#people", "Ada", "Grace");
    });
    await check("chromium chat: the tabs notice that the server goes away", async () => {
      process.kill(process.env.CHAT_PID, "SIGTERM");
      await state(ada, (text) => text !== "connected");
      await state(grace, (text) => text !== "connected");
    });
    await check("chromium chat: they reconnect to a new one and go on", async () => {
      await ends(process.env.CHAT_PID);
      server = spawn(process.env.CHAT_BIN, [address], { stdio: ["ignore", "ignore", "inherit"] });
      await state(ada, (text) => text === "connected");
      await state(grace, (text) => text === "connected");
      await lists(ada, "#people", "Ada", "Grace");
      await say(ada, "still here?");
      await until(async () => (await grace.locator("#messages li").allTextContents()).some((text) => text.includes("Ada: still here?")),
        async () => "the message did not arrive");
    });
  } finally {
    for (const tab of tabs) await tab.close();
    server?.kill("SIGKILL");
  }
}

main().then(() => process.exit()); // a failed check may have left connections open
