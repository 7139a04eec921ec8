import { cleanup } from '@testing-library/react';
import { afterEach } from 'vitest';

// jsdom draws nothing, so it has no media queries, no sizes and no observers.
// The test that weighs the build runs without it.
if (typeof window !== 'undefined') {
  window.matchMedia = (query) =>
    ({ matches: false, media: query, addEventListener() {}, removeEventListener() {}, addListener() {}, removeListener() {}, dispatchEvent: () => false, onchange: null }) as MediaQueryList;
  window.ResizeObserver = class {
    observe() {}
    unobserve() {}
    disconnect() {}
  };
  window.scrollTo = () => {};
  Element.prototype.scrollIntoView = () => {};
  Object.defineProperty(document, 'fonts', { value: { addEventListener() {}, removeEventListener() {}, ready: Promise.resolve() }, configurable: true });
  // The virtual table asks how tall its window is.
  Object.defineProperty(HTMLElement.prototype, 'clientHeight', { configurable: true, get: () => 600 });
  Object.defineProperty(HTMLElement.prototype, 'clientWidth', { configurable: true, get: () => 900 });
}

afterEach(() => {
  cleanup();
  globalThis.localStorage?.clear();
});
