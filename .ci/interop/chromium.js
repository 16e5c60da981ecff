// A headless Chromium: a page of each echo server talks to it, also in HTTP/2, a page from elsewhere is refused, and the
// chat's page is used in three tabs, over a restart of its server. So is the page of the dashboard, with a device of each
// kind.
// Run by .ci/interop/run chromium.
const assert = require("node:assert");
const { spawn } = require("node:child_process");
const dgram = require("node:dgram");
const net = require("node:net");
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
    await dashboard(browser);
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

// One device of each kind speaks to the dashboard, and gets the commands that are typed into its page.
async function dashboard(browser) {
  let server, page, tcp;
  const udp = dgram.createSocket("udp4"), commands = { tcp: "", udp: "" };
  udp.on("message", (datagram) => { commands.udp += datagram; });

  // Starts it: where its page is, and where devices speak to.
  async function start(address, devices) {
    server = spawn(process.env.DASHBOARD_BIN, [address, "--devices", devices], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    server.stdout.on("data", (data) => { said += data; });
    const found = () => said.match(/listening on ws:\/\/(\S+)\ndevices on 127\.0\.0\.1:(\d+)/);
    await until(async () => found(), async () => `it said ${JSON.stringify(said)}`);
    return [found()[1], Number(found()[2])];
  }

  async function send(port, n) {
    if (!tcp || tcp.destroyed) {
      tcp = net.connect(port, "127.0.0.1");
      tcp.on("data", (data) => { commands.tcp += data; });
      tcp.on("error", () => tcp.destroy());
      tcp.on("close", () => tcp.destroy());
    }
    tcp.write(`kitchen ${n}.25\n`);
    udp.send(`roof ${n}.75`, port, "127.0.0.1");
  }

  const shows = async (selector, good) => {
    const text = async () => (await page.textContent(selector)).trim();
    await until(async () => good(await text()), async () => `${selector} is ${JSON.stringify(await text())}`, 40);
  };

  try {
    const [address, port] = await start("127.0.0.1:0", "127.0.0.1:0");
    page = await browser.newPage();
    const faults = [];
    page.on("pageerror", (error) => faults.push(error.message));
    await page.goto(`http://${address}/`);
    await check("chromium dashboard: readings over TCP and UDP arrive", async () => {
      await shows("#state", (text) => text === "connected");
      await send(port, 20);
      await shows("#device-kitchen", (text) => text === "kitchen20.25TCPnow");
      await shows("#device-roof", (text) => text === "roof20.75UDPnow");
      await send(port, 21);
      await shows("#device-roof", (text) => text.startsWith("roof21.75"));
    });
    await check("chromium dashboard: devices are chosen, and commanded, by keyboard", async () => {
      await page.focus("#list");
      await page.keyboard.press("Home");
      await shows("#name", (text) => text === "kitchen");
      for (const [kind, name, key] of [["tcp", "kitchen", "Home"], ["udp", "roof", "ArrowDown"]]) {
        await page.focus("#list");
        await page.keyboard.press(key);
        await shows("#name", (text) => text === name);
        await page.keyboard.press("Tab");
        await page.keyboard.type(`blink "${name}"`);
        await page.keyboard.press("Enter");
        await shows("#notice", (text) => text === `Sent to ${name}: blink "${name}"`);
        await until(async () => commands[kind].trim() === `blink "${name}"`, async () => `it got ${JSON.stringify(commands[kind])}`);
      }
    });
    await check("chromium dashboard: the chart is drawn, in light and in dark", async () => {
      const colors = () => page.evaluate(() => {
        const canvas = document.querySelector("canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const seen = new Set();
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
        return [...seen];
      });
      for (const [scheme, accent] of [["light", "31,95,191"], ["dark", "127,176,255"]]) {
        await page.emulateMedia({ colorScheme: scheme });
        await until(async () => (await colors()).includes(accent), async () => `there is no line in ${scheme}`);
      }
    });
    await check("chromium dashboard: the page reconnects to a new server, and goes on", async () => {
      server.kill("SIGTERM");
      await shows("#state", (text) => text.startsWith("disconnected"));
      await ends(server.pid);
      await start(address, `127.0.0.1:${port}`);
      await shows("#state", (text) => text === "connected");
      await send(port, 22);
      await shows("#device-kitchen", (text) => text.startsWith("kitchen22.25"));
    });
    await check("chromium dashboard: nothing in the page has failed", async () => assert.deepEqual(faults, []));
  } finally {
    await page?.close();
    tcp?.destroy();
    udp.close();
    server?.kill("SIGKILL");
  }
}

main().then(() => process.exit()); // a failed check may have left connections open
