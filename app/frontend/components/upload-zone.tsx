"use client";
import { useEffect, useRef, useState, type DragEvent } from "react";
import { Notice } from "@/components/notice";
import { ProblemNotice } from "@/components/problem-notice";
import { ProgressBar } from "@/components/progress-bar";
import { asProblem, sessionEnded } from "@/lib/client/api";
import { upload } from "@/lib/client/upload";
import { size } from "@/lib/format";
import type { PlainProblem } from "@/lib/problem";
import type { DocumentItem } from "@/lib/types";
import { ACCEPTED, uploadProblem } from "@/lib/upload-check";
import { useWords } from "@/words/client";

type State =
  | { is: "idle" }
  | { is: "sending"; file: File; part: number; cancel: () => void }
  | { is: "cancelled" }
  | { is: "done"; title: string }
  | { is: "refused"; sentence: string }
  | { is: "failed"; file: File; problem: PlainProblem };

export function UploadZone({ maxMb, onUploaded }: { maxMb: number; onUploaded: (document: DocumentItem) => void }) {
  const { t, locale } = useWords();
  const [state, setState] = useState<State>({ is: "idle" });
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);

  async function take(file: File | undefined) {
    if (!file || state.is === "sending") return;
    const wrong = uploadProblem(file, maxMb);
    if (wrong) {
      return setState({ is: "refused", sentence: t(wrong, { name: file.name, size: size(file.size, locale), max: String(maxMb) }) });
    }
    const { done, cancel } = upload(file, (part) => setState((now) => (now.is === "sending" ? { ...now, part } : now)));
    setState({ is: "sending", file, part: 0, cancel });
    try {
      const document = await done;
      setState({ is: "done", title: document.title });
      onUploaded(document);
    } catch (error) {
      if (error instanceof DOMException) return setState({ is: "cancelled" });
      const problem = asProblem(error);
      if (problem.status === 401) sessionEnded();
      setState({ is: "failed", file, problem });
    }
  }

  // A file that was chosen while the page was still waking up.
  useEffect(() => {
    if (input.current?.files?.length) input.current.dispatchEvent(new Event("change", { bubbles: true }));
  }, []);

  function drop(event: DragEvent) {
    event.preventDefault();
    setOver(false);
    void take(event.dataTransfer.files[0]);
  }

  return (
    <section
      className={`drop ${over ? "over" : ""}`.trim()}
      aria-label={t("upload.title")}
      onDrop={drop}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
    >
      <h2>{t("upload.title")}</h2>
      <div className="row">
        <label className="button">
          {t("upload.choose")}
          <input
            ref={input}
            className="visually-hidden"
            type="file"
            accept={ACCEPTED.join(",")}
            aria-describedby="upload-hint"
            onChange={(event) => {
              void take(event.target.files?.[0]);
              // The same file can be chosen again after it was changed.
              event.target.value = "";
            }}
          />
        </label>
        <span className="soft">{t("upload.drop")}</span>
      </div>
      <p id="upload-hint" className="hint">
        {t("upload.hint", { max: String(maxMb) })}
      </p>
      <Outcome state={state} onRetry={(file) => void take(file)} />
    </section>
  );
}

function Outcome({ state, onRetry }: { state: State; onRetry: (file: File) => void }) {
  const { t } = useWords();
  if (state.is === "sending") {
    const { part, cancel, file } = state;
    return (
      <>
        <ProgressBar part={part} label={t(part < 1 ? "upload.progress" : "upload.reading", { name: file.name })} />
        <button type="button" className="link" onClick={cancel}>
          {t("upload.cancel")}
        </button>
      </>
    );
  }
  if (state.is === "done") return <Notice tone="good">{t("upload.done", { title: state.title })}</Notice>;
  if (state.is === "cancelled") return <Notice>{t("upload.cancelled")}</Notice>;
  if (state.is === "refused") return <Notice tone="bad">{state.sentence}</Notice>;
  if (state.is === "failed") {
    const { problem, file } = state;
    const again = [413, 415, 422].includes(problem.status) ? undefined : () => onRetry(file);
    return <ProblemNotice problem={problem} here={{ 413: "upload.refused.large", 415: "upload.refused.type" }} onRetry={again} />;
  }
  return null;
}
