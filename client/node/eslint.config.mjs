// The rules a machine can check: types above all, and the sizes of the house.
import eslint from "@eslint/js";
import tseslint from "typescript-eslint";

const sizes = {
  "max-len": ["error", { code: 88 }],
  "max-lines": ["error", 800],
  "max-lines-per-function": ["error", 70],
};

export default tseslint.config(
  // Tests beside this one make programs in folders of their own.
  { ignores: ["dist/", "node_modules/", "**/made-*/"] },
  eslint.configs.recommended,
  { rules: sizes },
  {
    files: ["src/**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { project: "tsconfig.json", tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true },
      ],
      "@typescript-eslint/prefer-promise-reject-errors": [
        "error",
        { allowThrowingUnknown: true },
      ],
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
    },
  },
  {
    files: ["**/*.mjs"],
    languageOptions: {
      globals: {
        AbortController: "readonly",
        AbortSignal: "readonly",
        Buffer: "readonly",
        URL: "readonly",
        clearInterval: "readonly",
        clearTimeout: "readonly",
        console: "readonly",
        fetch: "readonly",
        performance: "readonly",
        process: "readonly",
        queueMicrotask: "readonly",
        setImmediate: "readonly",
        setInterval: "readonly",
        setTimeout: "readonly",
      },
    },
    rules: { "max-lines-per-function": "off" },
  },
);
