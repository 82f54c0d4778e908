// Builds the page into the package, the same bytes from the same sources, and writes down what it was built from.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const target = path.resolve(process.argv[2] ?? path.join(here, "../src/trainwright/lab/static"));
const LARGEST = 120 * 1024; // bytes of everything the page loads, compressed
const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");

const made = await build({
  absWorkingDir: here,
  entryPoints: { lab: "src/main.tsx" },
  outdir: target,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  metafile: true,
  write: false,
  charset: "utf8",
});

const files = new Map();
for (const output of made.outputFiles) {
  const extension = path.extname(output.path);
  files.set(`lab-${hash(output.contents).slice(0, 10)}${extension}`, Buffer.from(output.contents));
}
const named = (extension) => [...files.keys()].find((name) => name.endsWith(extension));
const page = (await readFile(path.join(here, "src/index.html"), "utf8"))
  .replace("{{style}}", named(".css"))
  .replace("{{script}}", named(".js"));
files.set("index.html", Buffer.from(page));
files.set("icon.svg", await readFile(path.join(here, "src/icon.svg")));

const packages = ["preact", "@preact/signals", "@preact/signals-core", "uplot"];
let licences = "The page of the lab is built from its own sources and from these packages.\n";
for (const name of packages) {
  const folder = path.join(here, "node_modules", name);
  const facts = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
  const text = await readFile(path.join(folder, "LICENSE"), "utf8");
  licences += `\n${"=".repeat(78)}\n${name} ${facts.version} (${facts.license})\n\n${text.trim()}\n`;
}
files.set("LICENSES.txt", Buffer.from(licences));

const loaded = [...files].filter(([name]) => name !== "LICENSES.txt").map(([, bytes]) => gzipSync(bytes, { level: 9 }).length);
const compressed = loaded.reduce((sum, size) => sum + size, 0);
if (compressed > LARGEST) throw new Error(`the page has grown to ${compressed} bytes, more than ${LARGEST}`);

const sources = {};
async function remember(folder) {
  for (const entry of (await readdir(path.join(here, folder), { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const place = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) await remember(place);
    else sources[place] = hash(await readFile(path.join(here, place)));
  }
}
await remember("src");
for (const name of ["build.mjs", "package.json", "package-lock.json", "tsconfig.json"]) {
  sources[name] = hash(await readFile(path.join(here, name)));
}
const manifest = { files: Object.fromEntries([...files].sort().map(([name, bytes]) => [name, hash(bytes)])), sources };
files.set("manifest.json", Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`));

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
for (const [name, bytes] of files) await writeFile(path.join(target, name), bytes);
console.log(`${files.size} files, ${compressed} bytes compressed`);
