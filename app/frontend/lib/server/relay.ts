import "server-only";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { problemResponse } from "@/lib/server/answers";
import { backendUrl, forwarded, reason } from "@/lib/server/backend";
import { setting } from "@/scripts/settings.mjs";

/** Without a byte for so long the backend is given up; it answers an upload once it has read the whole document. */
const IDLE_MS = 60_000;
const TO_BACKEND = ["content-type", "content-length", "accept"];
const TO_BROWSER = ["content-type", "content-length", "content-disposition", "content-security-policy", "etag", "retry-after", "x-request-id"];

/**
 * Passes a request on to the backend and its answer back, both as streams: an upload is never kept here whole.
 * node:http and not fetch(), which loses an answer that comes before the whole body is sent, such as 413.
 */
export async function relay(request: Request, path: string, token: string): Promise<Response> {
  const headers = forwarded(request.headers, token);
  const requestId = headers["x-request-id"] ?? "";
  for (const name of TO_BACKEND) {
    const value = request.headers.get(name);
    if (value) headers[name] = value;
  }
  if (Number(headers["content-length"]) > uploadLimit()) {
    return problemResponse(413, "the upload is too large", { "x-request-id": requestId });
  }
  try {
    return answer(await send(request, backendUrl(path), headers), requestId);
  } catch (error) {
    if (!request.signal.aborted) console.error(`backend: ${request.method} ${path} (request ${requestId}) got no answer: ${reason(error)}`);
    return problemResponse(502, "the application's server does not answer; try again in a moment", { "x-request-id": requestId });
  }
}

/**
 * The backend's limit and room for a form around the file. Asked here, because the backend hangs up on who goes on sending,
 * and then its answer is lost as often as not.
 */
function uploadLimit(): number {
  return (Number(setting("MAX_UPLOAD_MB")) + 1) * 1024 * 1024;
}

function send(request: Request, url: string, headers: Record<string, string>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const make = url.startsWith("https:") ? httpsRequest : httpRequest;
    const outgoing = make(url, { method: request.method, headers, timeout: IDLE_MS, signal: request.signal }, resolve);
    outgoing.on("timeout", () => outgoing.destroy(new Error("timeout")));
    // After an early answer the rest of the body meets a closed connection: the promise is settled then.
    outgoing.on("error", reject);
    if (!request.body) return void outgoing.end();
    const body = Readable.fromWeb(request.body as import("node:stream/web").ReadableStream);
    body.on("error", (error) => outgoing.destroy(error));
    body.pipe(outgoing);
  });
}

function answer(incoming: IncomingMessage, requestId: string): Response {
  const headers = new Headers({ "x-request-id": requestId, "cache-control": "no-store" });
  for (const name of TO_BROWSER) {
    const value = incoming.headers[name];
    if (typeof value === "string") headers.set(name, value);
  }
  const status = incoming.statusCode ?? 502;
  if (status === 204 || status === 304) incoming.resume();
  const body = status === 204 || status === 304 ? null : (Readable.toWeb(incoming) as ReadableStream);
  return new Response(body, { status, headers });
}
