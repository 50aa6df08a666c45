// A web server of one folder's files on this machine alone, with the headers that let a page have
// threads. Does not know: what the files are.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** `mounts`: folders by the beginning of their addresses; `pages`: texts by their addresses. */
export async function serve(mounts, pages) {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
    const send = (status, type, more = {}) => response.writeHead(status,
      { ...HEADERS, "Content-Type": type, ...more });
    if (pages[path] !== undefined) {
      send(200, TYPES[extname(path)]);
      response.end(pages[path]);
      return;
    }
    const mount = Object.keys(mounts).find((start) => path.startsWith(start));
    const file = mount && join(mounts[mount], path.slice(mount.length));
    const status = file && statSync(file, { throwIfNoEntry: false });
    if (!status?.isFile()) {
      send(404, "text/plain");
      response.end();
      return;
    }
    send(200, TYPES[extname(file)] ?? "application/octet-stream",
      { "Content-Length": status.size });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
