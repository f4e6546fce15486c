// SPDX-License-Identifier: BSD-2-Clause
// Makes docs/dashboard.png. See README.md.

import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, cpSync, createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { end, openMetrics, start } from "./day.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const { PROMETHEUS = "prometheus", PROMTOOL = "promtool", CHROMIUM = "chromium" } = process.env;
const width = 1200;
const out = process.argv[2] ?? join(here, "../../../docs/dashboard.png");
const dashboard = JSON.parse(readFileSync(join(here, "../../../contrib/grafana/utmpd.json")));
const dir = mkdtempSync(join(tmpdir(), "picture-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));

const answers = await ask();
await draw({ dashboard, answers, start, end });

// ask returns what a Prometheus that has the day answers to each target, by panel.
async function ask() {
  writeFileSync(join(dir, "day"), openMetrics());
  writeFileSync(join(dir, "conf"), "");
  execFileSync(PROMTOOL, ["tsdb", "create-blocks-from", "openmetrics", "-q", join(dir, "day"), join(dir, "tsdb")]);
  const address = "127.0.0.1:19090";
  const prometheus = spawn(PROMETHEUS, [
    "--config.file", join(dir, "conf"), "--storage.tsdb.path", join(dir, "tsdb"), "--storage.tsdb.retention.time", "100y",
    "--web.listen-address", address,
  ], { stdio: "ignore" });
  try {
    while (!(await fetch(`http://${address}/-/ready`).then((r) => r.ok, () => false))) {
      if (prometheus.exitCode !== null) throw new Error("prometheus has ended");
      await new Promise((done) => setTimeout(done, 200));
    }
    const all = {};
    for (const panel of dashboard.panels) {
      all[panel.id] = [];
      for (const target of panel.targets) all[panel.id].push(await query(address, target));
    }
    return all;
  } finally {
    prometheus.kill();
  }
}

async function query(address, target) {
  // For a day and panels of this width Grafana takes 2 minutes, or a target's own minutes.
  const step = 60 * Math.max(2, parseInt(target.interval ?? 0));
  const align = (t) => t - (t % step);
  const when = target.instant ? { time: end } : { start: align(start), end: align(end), step };
  const expr = target.expr.replaceAll("$instance", ".*").replaceAll("$__interval", `${step}s`);
  const r = await fetch(`http://${address}/api/v1/query${target.instant ? "" : "_range"}?` + new URLSearchParams({ query: expr, ...when }));
  const answer = await r.json();
  if (answer.status !== "success") throw new Error(`${expr}: ${answer.error}`);
  return { result: answer.data.result, step };
}

// draw serves the page to a browser, and keeps what it shows.
async function draw(picture) {
  await build({
    entryPoints: [join(here, "page.jsx")], outfile: join(dir, "page.js"), bundle: true, format: "esm", jsx: "automatic", minify: true,
    define: { "process.env.NODE_ENV": '"production"' }, loader: { ".woff2": "dataurl", ".woff": "empty", ".ttf": "empty" }, logLevel: "error",
  });
  cpSync(join(here, "node_modules/@grafana/ui/dist/public"), join(dir, "public/build"), { recursive: true });
  writeFileSync(join(dir, "index.html"), `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="page.css"><div id="root"></div>
<script>window.picture = ${JSON.stringify(picture)}</script><script type="module" src="page.js"></script>`);
  const types = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
  const server = createServer((req, res) => {
    const name = new URL(req.url, "http://x").pathname.replace(/\/$/, "/index.html");
    res.setHeader("Content-Type", types[name.split(".").pop()] ?? "application/octet-stream");
    createReadStream(join(dir, name)).on("error", () => res.writeHead(404).end()).pipe(res);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const height = 8 + 38 * Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const browser = spawn(CHROMIUM, [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-device-scale-factor=1.5", "--enable-logging=stderr",
    `--window-size=${width},${height}`, "--virtual-time-budget=20000", `--screenshot=${join(dir, "picture.png")}`, `http://127.0.0.1:${server.address().port}/`,
  ]);
  let said = "";
  browser.stderr.on("data", (data) => (said += data));
  const code = await new Promise((done, failed) => browser.on("error", failed).on("close", done));
  server.close();
  if (code !== 0 || said.includes("Uncaught")) throw new Error(`${CHROMIUM} ended with ${code}:\n${said}`);
  copyFileSync(join(dir, "picture.png"), out);
}
