// What a real build does, in small: it needs its input, and leaves a directory that runs by itself.
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
mkdirSync("out", { recursive: true });
copyFileSync("server.js", "out/server.js");
writeFileSync("out/colour", process.env.NEXT_PUBLIC_COLOUR);
