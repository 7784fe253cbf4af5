// A chat with the types that openapi-typescript generates: it must compile and run.
import type { components, operations } from "./api.js";

type Schemas = components["schemas"];
declare const process: { argv: string[] };

const [url, account, password, peer] = process.argv.slice(2) as [string, string, string, string];
let token = "";

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  const headers = { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(url + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
  if (!answer.ok) throw new Error(((await answer.json()) as Schemas["Problem"]).code);
  return (await answer.json()) as T;
}

const isText = (message: Schemas["MessageOut"]): message is Schemas["TextMessage"] => message.type === "text";

const login: Schemas["LoginIn"] = { account, password };
token = (await call<Schemas["TokensOut"]>("POST", "/api/auth/login", login)).access_token;
const profile: Schemas["ProfileIn"] = { nickname: "Ada Byron" };
await call<Schemas["MeOut"]>("PATCH", "/api/users/me", profile);

const open: Schemas["OpenPrivate"] = { user_id: Number(peer) };
const opened = await call<Schemas["ConversationOut"]>("POST", "/api/conversations", open);
const draft: Schemas["MessageDraft"] = { client_id: "ts-1", type: "text", content: { text: "hello" } };
const { message } = await call<Schemas["MessageAck"]>("POST", `/api/conversations/${opened.id}/messages`, draft);
if (!isText(message) || !("text" in message.content) || message.content.text !== "hello") throw new Error("no text");

type Query = NonNullable<operations["users.search_users"]["parameters"]["query"]>;
let cursor: Query["cursor"] = null;
let found = 0;
do {
  const query: Query = { query: "a", limit: 1, ...(cursor ? { cursor } : {}) };
  const text = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
  const page: Schemas["Page_UserOut_"] = await call("GET", `/api/users?${text}`);
  found += page.items.length;
  cursor = page.next_cursor;
} while (cursor !== null);

const known: Schemas["SyncIn"] = { conversations: {} };
const missed = await call<Schemas["SyncOut"]>("POST", "/api/sync", known);
const kinds = new Set(missed.state.map((row) => row.kind));
if (!found || !kinds.has("conversation") || !kinds.has("me")) throw new Error("sync is incomplete");
