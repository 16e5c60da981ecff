// An echo server on ws (Node) that compresses, with its defaults. usage: node echo.cjs PORT MAX_MESSAGE

const path = require('node:path');
const home = process.env.INTEROP_HOME || path.join(__dirname, '../../../target/interop-home');
const { WebSocketServer } = require(path.join(home, 'node_modules/ws'));

const [port, maxPayload] = process.argv.slice(2).map(Number);
new WebSocketServer({ host: '127.0.0.1', port, maxPayload, perMessageDeflate: true }).on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on('error', () => {});
});
