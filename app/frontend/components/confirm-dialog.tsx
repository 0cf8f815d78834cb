"use client";
import { useEffect, useId, useRef, type ReactNode } from "react";

const YES = "yes";

type Props = { title: string; confirm: string; cancel: string; danger?: boolean; onConfirm: () => void; onClose: () => void; children: ReactNode };

/** Asks before something is done, and calls one of the two. The browser's own modal dialog: it keeps the focus in, Escape closes it. */
export function ConfirmDialog({ title, confirm, cancel, danger, onConfirm, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);

  function closed() {
    // In development React mounts twice, and the first closing is told late.
    if (dialog.current?.open) return;
    if (dialog.current?.returnValue === YES) onConfirm();
    else onClose();
  }

  return (
    <dialog ref={dialog} className="dialog" aria-labelledby={`${id}-title`} aria-describedby={`${id}-text`} onClose={closed}>
      <div className="stack">
        <h2 id={`${id}-title`}>{title}</h2>
        <div id={`${id}-text`}>{children}</div>
        <div className="row">
          {/* First, so that it has the focus: Enter must not destroy anything. */}
          <button type="button" className="button quiet" onClick={() => dialog.current?.close()}>
            {cancel}
          </button>
          <button type="button" className={`button ${danger ? "danger" : ""}`.trim()} onClick={() => dialog.current?.close(YES)}>
            {confirm}
          </button>
        </div>
      </div>
    </dialog>
  );
}
