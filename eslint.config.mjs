// `.ci/run` runs it by npx, where there is a node and a network. It needs no package but eslint itself.

const BROWSER = `
  AbortController AbortSignal BroadcastChannel CSS CSSImportRule CSSStyleSheet CustomEvent DOMParser Document
  DocumentFragment Element Event EventSource FormData HTMLElement Headers MutationObserver Node NodeFilter
  PerformanceObserver Request Response SharedWorker URL URLSearchParams Worker addEventListener clearTimeout console
  customElements document fetch history localStorage location navigator performance queueMicrotask
  removeEventListener requestAnimationFrame scrollTo scrollX scrollY self sessionStorage setTimeout structuredClone
  window
`.match(/\w+/g);
const RULES = `
  array-callback-return consistent-return constructor-super default-case-last eqeqeq for-direction getter-return
  no-async-promise-executor no-class-assign no-compare-neg-zero no-cond-assign no-const-assign
  no-constant-binary-expression no-constructor-return no-debugger no-dupe-args no-dupe-class-members no-dupe-else-if
  no-dupe-keys no-duplicate-case no-else-return no-empty-pattern no-eval no-ex-assign no-extra-boolean-cast
  no-func-assign no-global-assign no-implied-eval no-import-assign no-inner-declarations
  no-invalid-regexp no-irregular-whitespace no-loss-of-precision no-obj-calls no-prototype-builtins
  no-redeclare no-regex-spaces no-self-assign no-self-compare no-setter-return no-shadow no-shadow-restricted-names
  no-sparse-arrays no-this-before-super no-throw-literal no-undef no-unexpected-multiline no-unmodified-loop-condition
  no-unreachable no-unreachable-loop no-unsafe-finally no-unsafe-negation no-unsafe-optional-chaining
  no-unused-expressions no-unused-labels no-unused-vars no-useless-backreference no-useless-catch no-useless-concat
  no-useless-escape no-useless-return no-var no-with object-shorthand prefer-const prefer-rest-params prefer-spread
  prefer-template require-yield use-isnan valid-typeof
`.match(/[\w-]+/g);

export default [
  {
    files: ["**/*.js"],
    languageOptions: {
      ecmaVersion: 2022, // what every browser of the last two years knows
      sourceType: "module", // so is most of them, and the others are right as one too
      globals: Object.fromEntries(BROWSER.map((name) => [name, "readonly"])),
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: Object.fromEntries(RULES.map((rule) => [rule, "error"])),
  },
];
