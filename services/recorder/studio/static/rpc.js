/** Calls the RPCs of voxloom's services: `services/recorder/web/bridge.py` is the other side. Messages are the JSON
 *  of protos/voxloom/v1, field names as written there; 64-bit integers are strings, bytes base64. */

export class RpcError extends Error {
  /** `code` is gRPC's, such as INVALID_ARGUMENT; OFFLINE when no answer came. */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new RpcError("OFFLINE", "The studio cannot be reached. Is the network up, and voxloom running?");
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const { code = "UNKNOWN", message = `${path} answered ${response.status}` } = body.error ?? {};
  throw new RpcError(code, message);
}

const post = (path, body) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** One request, one answer: `await call("recorder/NextPrompts", {list, speaker, count: 10})`. */
export const call = (method, request = {}) => post(`/rpc/${method}`, request);

/** Who looks at the page: `{admin, speaker, name, open}`; throws UNAUTHENTICATED before a key was given. */
export const me = () => ask("/me");
export const enter = (key) => post("/session", { key });
export const leave = () => post("/session", { key: "" });
/** `{recorder: "serving" | "waiting" | "down", ...}` */
export const services = () => ask("/services");

/** An open stream. `send` takes a message (an object) or bytes (an ArrayBuffer or a view); `end` says that was all.
 *  Iterate over it for the answers; it throws RpcError. `close` gives up. */
export class Stream {
  #socket;
  #answers = [];
  #wake = () => {};
  #closed = false;
  #error = null;

  constructor(method) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.#socket = new WebSocket(`${scheme}://${location.host}/rpc/${method}`);
    this.#socket.binaryType = "arraybuffer";
    this.opened = new Promise((resolve) => {
      this.#socket.onopen = resolve;
      this.#socket.onclose = (event) => {
        this.#closed = true;
        if (event.code !== 1000 && !this.#error) {
          this.#error = new RpcError("OFFLINE", "The connection to the studio was lost.");
        }
        resolve();
        this.#wake();
      };
    });
    this.#socket.onmessage = ({ data }) => {
      const answer = JSON.parse(data);
      if (answer.error) this.#error = new RpcError(answer.error.code, answer.error.message);
      else this.#answers.push(answer);
      this.#wake();
    };
  }

  async send(message) {
    await this.opened;
    if (this.#socket.readyState !== WebSocket.OPEN) return; // the answers tell why
    const bytes = message instanceof ArrayBuffer || ArrayBuffer.isView(message);
    this.#socket.send(bytes ? message : JSON.stringify(message));
  }

  async end() {
    await this.opened;
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send("end");
  }

  /** Bytes that wait for the network. */
  get buffered() {
    return this.#socket.bufferedAmount;
  }

  close() {
    this.#socket.close(1000);
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        while (this.#answers.length) yield this.#answers.shift();
        if (this.#error) throw this.#error;
        if (this.#closed) return;
        await new Promise((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.close();
    }
  }
}

const CHUNK_BYTES = 64 * 1024 - 16;

/** Sends a first message and then bytes in chunks; the one answer. For UploadTake and CheckTake. */
export async function upload(method, first, bytes) {
  const stream = new Stream(method);
  await stream.send(first);
  for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) {
    await stream.send(bytes.slice(at, at + CHUNK_BYTES));
  }
  await stream.end();
  for await (const answer of stream) return answer;
  throw new RpcError("OFFLINE", "The connection ended before the answer came.");
}

export const takeUrl = (take) => `/takes/${encodeURIComponent(take.speaker)}/${encodeURIComponent(take.utterance)}.wav`;
export const exportUrl = (name, request) =>
  `/export/${encodeURIComponent(name)}.zip?request=${encodeURIComponent(JSON.stringify(request))}`;
