// Keeps the pages for when there is no network. What is asked of services is never kept.
const CACHE = "voxloom-studio";
const PAGES = ["/", "/review", "/loop", "/try"];
const ASSET = /["'](\/static\/[\w./-]+|\.{1,2}\/[\w./-]+\.js)["']/g; // as pages and modules name it

const isShell = (url) =>
  url.origin === location.origin && (PAGES.includes(url.pathname) || url.pathname.startsWith("/static/"));

async function keep(cache, url, seen) {
  if (seen.has(url.href) || !isShell(url)) return;
  seen.add(url.href);
  const response = await fetch(url, { cache: "no-cache" });
  if (!response.ok) return;
  await cache.put(url, response.clone());
  if (/\.(svg|png|css)$/.test(url.pathname)) return;
  const names = [...(await response.text()).matchAll(ASSET)].map(([, name]) => new URL(name, url));
  await Promise.all(names.map((name) => keep(cache, name, seen)));
}

self.addEventListener("install", (event) => {
  const seen = new Set();
  const all = async () => {
    const cache = await caches.open(CACHE);
    await Promise.all(PAGES.map((page) => keep(cache, new URL(page, location.origin), seen)));
    await self.skipWaiting();
  };
  event.waitUntil(all());
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && isShell(new URL(event.request.url)))
    event.respondWith(networkFirst(event.request));
});

async function networkFirst(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(new URL(request.url).pathname, response.clone()); // whatever its query asks
    return response;
  } catch (error) {
    const kept = await cache.match(new URL(request.url).pathname);
    if (kept) return kept;
    throw error;
  }
}
