// A session through a socket of the Web's API, in Node or in a page.

// The messages of the file that messages.py writes: strings, and arrays of bytes.
function parse(buffer) {
  const view = new DataView(buffer), utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }), messages = [];
  for (let at = 0; at < view.byteLength;) {
    const content = new Uint8Array(buffer, at + 5, view.getUint32(at + 1, true));
    messages.push(view.getUint8(at) === 0x74 ? utf8.decode(content) : content);
    at += 5 + content.length;
  }
  return messages;
}

// Sends them all, up to a hundred ahead of their echoes, which are compared, and closes.
function session(socket, messages) {
  const same = (data, message) => {
    if (typeof message === "string" || typeof data === "string") return data === message;
    const bytes = new Uint8Array(data);
    return bytes.length === message?.length && bytes.every((byte, i) => byte === message[i]);
  };
  return new Promise((resolve, reject) => {
    let sent = 0, got = 0;
    const send = () => {
      while (sent < Math.min(messages.length, got + 100)) socket.send(messages[sent++]);
    };
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (!same(data, messages[got])) reject(new Error(`message ${got} differs: ${String(data).slice(0, 50)}`));
      got += 1;
      if (got === messages.length) socket.close(1000);
      else send();
    };
    socket.onclose = ({ code }) => {
      if (code === 1000 && got === messages.length) resolve();
      else reject(new Error(`closed with ${code} after ${got} messages`));
    };
    if (socket.readyState === 1) send();
    else socket.onopen = send;
  });
}

// In a page that comes from forwarder.py.
async function talk(url) {
  const messages = parse(await (await fetch("/messages")).arrayBuffer());
  await session(new WebSocket(url), messages);
  return "done";
}

if (typeof module !== "undefined") module.exports = { parse, session };
