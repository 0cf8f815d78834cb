import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
// The released tree is read-only. With a directory to write to, optimized images are kept there; see README.md.
const cacheDir = process.env.AIKO_CACHE_DIR;

/** @type {import("next").NextConfig} */
const config = {
  output: "standalone",
  // Without it Next looks for lock files above this directory and nests the standalone tree accordingly.
  outputFileTracingRoot: here,
  poweredByHeader: false,
  reactStrictMode: true,
  // `npm run lint` does; hosts that build need no linter.
  eslint: { ignoreDuringBuilds: true },
  // For everybody, not only for robots: the title is in the head from the start, and not streamed in after it.
  htmlLimitedBots: /.*/,
  images: {
    // Only pictures of our own build are optimized, at few sizes: nobody makes the server resize at will.
    localPatterns: [{ pathname: "/_next/static/media/**", search: "" }],
    deviceSizes: [480, 800, 1200, 1600],
    imageSizes: [96],
    // Without it any from 1 to 100 is made.
    qualities: [75],
    formats: ["image/webp"],
    // Their names carry their hash.
    minimumCacheTTL: 31536000,
    maximumDiskCacheSize: cacheDir ? 64 * 1024 * 1024 : 0,
  },
  // /documents is app/[locale]/documents. The middleware settles the language; see there.
  rewrites: async () => ({
    beforeFiles: ["fr", "en"].map((locale) => ({
      source: "/:path((?!api/|_next/|icon\\.svg$|robots\\.txt$).*)",
      has: [{ type: "header", key: "x-aiko-locale", value: locale }],
      destination: `/${locale}/:path`,
    })),
  }),
  experimental: {
    // Hosts with two cores and little memory build this as well.
    cpus: 2,
    isrFlushToDisk: Boolean(cacheDir),
    // forbidden(): a page that answers 403 and says why.
    authInterrupts: true,
  },
};

export default config;
