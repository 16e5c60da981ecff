// undici's WebSocket, which is also Node's own, against the echo servers.
// Run by .ci/interop/run undici.
const { checkEchoServers } = require("./lib.js");

globalThis.WebSocket = require("undici").WebSocket;
checkEchoServers("undici").then(() => process.exit()); // a failed check may have left connections open
