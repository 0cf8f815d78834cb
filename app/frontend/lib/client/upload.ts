import { parseProblem, Problem } from "@/lib/problem";
import type { DocumentItem } from "@/lib/types";

type Upload = { done: Promise<DocumentItem>; cancel: () => void };

/** Sends a document. XMLHttpRequest, because fetch() cannot tell how much has been sent. */
export function upload(file: File, onProgress: (part: number) => void): Upload {
  const request = new XMLHttpRequest();
  const done = new Promise<DocumentItem>((resolve, reject) => {
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total ? loaded / total : 0));
    request.addEventListener("load", () => {
      if (request.status === 201) return resolve(JSON.parse(request.responseText) as DocumentItem);
      reject(parseProblem(request.status, request.responseText, (name) => request.getResponseHeader(name)));
    });
    request.addEventListener("error", () => reject(new Problem(0)));
    request.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
  });
  const form = new FormData();
  form.append("file", file);
  request.open("POST", "/api/bff/documents");
  request.setRequestHeader("accept", "application/json");
  request.send(form);
  return { done, cancel: () => request.abort() };
}
