// Names what is missing before anything is built.
const needed = { build: ["NEXT_PUBLIC_COLOUR"], run: ["MOOD"] }[process.argv[2]];
const missing = needed.filter((name) => !process.env[name]);
if (missing.length) {
  console.error(`${missing.join(", ")} is not set`);
  process.exit(1);
}
