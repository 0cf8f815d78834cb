"use client";
import { useId, useRef, useState, useSyncExternalStore } from "react";
import { ProblemNotice } from "@/components/problem-notice";
import { asProblem, call } from "@/lib/client/api";
import type { PlainProblem } from "@/lib/problem";
import { useWords } from "@/words/client";

const never = () => () => undefined;

/** The link and the code under which others find a quiz. */
export function ShareBox({ quizId, code: known }: { quizId: string; code: string | null }) {
  const { t } = useWords();
  const [code, setCode] = useState(known);
  const [problem, setProblem] = useState<PlainProblem>();

  async function share() {
    setProblem(undefined);
    try {
      setCode((await call<{ share_code: string }>("POST", `quizzes/${quizId}/share`)).share_code);
    } catch (error) {
      setProblem(asProblem(error));
    }
  }

  return (
    <section className="card stack" aria-labelledby="share">
      <h2 id="share">{t("share.title")}</h2>
      <p className="soft small">{t("share.text")}</p>
      {problem && <ProblemNotice problem={problem} onRetry={() => void share()} />}
      {code ? (
        <ShareLink code={code} />
      ) : (
        <button type="button" className="button" onClick={() => void share()}>
          {t("share.make")}
        </button>
      )}
    </section>
  );
}

function ShareLink({ code }: { code: string }) {
  const { t } = useWords();
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [said, setSaid] = useState("");
  // The address under which this page is read is the one that others can read as well.
  const origin = useSyncExternalStore(
    never,
    () => window.location.origin,
    () => "",
  );

  async function copy() {
    try {
      await navigator.clipboard.writeText(`${origin}/join/${code}`);
      setSaid(t("share.copied"));
    } catch {
      input.current?.select();
      setSaid(t("share.manual"));
    }
  }

  return (
    <>
      <div className="field">
        <label htmlFor={id}>{t("share.link")}</label>
        <input ref={input} id={id} className="input copy" readOnly value={`${origin}/join/${code}`} onFocus={(event) => event.target.select()} />
      </div>
      <p className="small">
        {t("share.code")} <code className="copy">{code}</code>
      </p>
      <div className="row">
        <button type="button" className="button quiet" onClick={() => void copy()}>
          {t("share.copy")}
        </button>
        <span className="small soft" role="status">
          {said}
        </span>
      </div>
    </>
  );
}
