/** What must outlive the page, in IndexedDB: takes and marks that the server has not acknowledged
 *  (`outbox`), and prompts that wait to be read (`queues`). What localStorage holds may be lost when a
 *  browser is killed, so who reads lies here too (`known`). */

let opened;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("voxloom-studio", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("outbox", { keyPath: "id" });
      request.result.createObjectStore("queues", { keyPath: "id" });
      request.result.createObjectStore("known", { keyPath: "id" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

/** Runs `work(store)` in a transaction; what its request found, once it is on the disk ("strict"). */
async function transact(name, mode, work) {
  const transaction = (await database()).transaction(name, mode, { durability: "strict" });
  return new Promise((resolve, reject) => {
    const request = work(transaction.objectStore(name));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

export const put = (name, value) => transact(name, "readwrite", (store) => store.put(value));
export const get = (name, id) => transact(name, "readonly", (store) => store.get(id));
export const all = (name) => transact(name, "readonly", (store) => store.getAll());
export const remove = (name, id) => transact(name, "readwrite", (store) => store.delete(id));

/** A value that was kept under a name, else another one. */
export const recall = async (id, otherwise) => (await get("known", id))?.value ?? otherwise;
export const keep = (id, value) => put("known", { id, value });

/** Changes fields of what is still there; another tab may have removed it meanwhile. */
export const change = (name, id, fields) =>
  transact(name, "readwrite", (store) => {
    const request = store.get(id);
    request.onsuccess = () => request.result && store.put({ ...request.result, ...fields });
    return request;
  });
