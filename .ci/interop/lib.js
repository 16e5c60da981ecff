// What the three Node clients share: the servers' addresses, and the form of the report.
// The addresses come from .ci/interop/run, which also counts the lines printed here.
const webapi = require("./webapi.js");

const LIMIT = 1024 * 1024; // bytes; the example servers' largest message

const echoes = process.env.ECHOES.split(" ");
const servers = [...echoes, "chat"];
const urls = Object.fromEntries(servers.map((name) => [name, process.env[`${name.toUpperCase()}_URL`]]));

// `error` is null, or says what went wrong.
function report(name, error) {
  console.log(error === null ? `ok ${name}` : `not ok ${name}: ${String(error).replace(/\s+/g, " ").slice(0, 300)}`);
}

async function check(name, test) {
  try {
    await test();
    report(name, null);
  } catch (error) {
    report(name, error.message);
  }
}

// Runs webapi.js against the echo servers; `run(options)` says where.
async function checkEchoServers(client, run = webapi) {
  for (const server of echoes) {
    const closeUrl = server === "echo" ? new URL("/close?code=4001&reason=bye", urls.echo).href : null;
    try {
      for (const [name, error] of await run({ url: urls[server], closeUrl, limit: LIMIT })) {
        report(`${client} ${server}: ${name}`, error);
      }
    } catch (error) {
      report(`${client} ${server}`, error.message);
    }
  }
}

// Waits until `good` answers true; else throws what `problem` answers.
async function until(good, problem, seconds = 15) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    if (await good()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(await problem());
}

// Waits for a server which was asked to end.
async function ends(pid) {
  const gone = () => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  };
  await until(gone, () => "the server runs on 10 seconds after it was asked to end", 10);
}

module.exports = { LIMIT, echoes, servers, urls, webapi, report, until, ends, check, checkEchoServers };
