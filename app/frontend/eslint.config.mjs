import next from "@next/eslint-plugin-next";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import typescript from "typescript-eslint";

export default defineConfig(
  globalIgnores([".next/", "next-env.d.ts"]),
  typescript.configs.strict,
  hooks.configs.flat.recommended,
  next.flatConfig.coreWebVitals,
  {
    rules: {
      // Unused names say that something was forgotten; a leading _ says that it was not.
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      // A full page load is wanted where a session begins or ends.
      "@next/next/no-html-link-for-pages": "off",
    },
  },
);
