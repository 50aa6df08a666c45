// A registry of npm on this machine that has one package: the one that is packed here. So commands
// that install or fetch it by its name get what would be published. Knows nothing of who asks.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { root } from "./stage";

export interface Registry {
  address: string;
  close(): Promise<void>;
}

/** Packs the package into the folder and serves it. */
export async function openRegistry(folder: string): Promise<Registry> {
  // dist/ is there already; building it again would take it away from tests that run beside.
  const [{ filename }] = JSON.parse(execFileSync("npm",
    ["pack", "--json", "--ignore-scripts", "--pack-destination", folder],
    { cwd: root, encoding: "utf8", stdio: "pipe" })) as [{ filename: string }];
  const tarball = readFileSync(join(folder, filename));
  const own = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as
    { name: string; version: string };
  const server = createServer((request, response) => {
    if (request.url === `/${filename}`) return void response.end(tarball);
    if (request.url !== `/${own.name}`) return void response.writeHead(404).end("{}");
    const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
    const version = { ...own, dist: { tarball: `${address}${filename}`, integrity } };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ name: own.name, "dist-tags": { latest: own.version },
      versions: { [own.version]: version } }));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    address,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
