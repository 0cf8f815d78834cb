"use client";
import { useEffect, useId, useRef, type ReactNode } from "react";

type Props = { title: string; confirm: string; cancel: string; danger?: boolean; onConfirm: () => void; onClose: () => void; children: ReactNode };

/** Asks before something is done. The browser's own modal dialog: it keeps the focus in, Escape closes it. */
export function ConfirmDialog({ title, confirm, cancel, danger, onConfirm, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby={`${id}-title`} aria-describedby={`${id}-text`} onClose={onClose}>
      <div className="stack">
        <h2 id={`${id}-title`}>{title}</h2>
        <div id={`${id}-text`}>{children}</div>
        <div className="row">
          {/* First, so that it has the focus: Enter must not destroy anything. */}
          <button type="button" className="button quiet" onClick={() => dialog.current?.close()}>
            {cancel}
          </button>
          <button
            type="button"
            className={`button ${danger ? "danger" : ""}`.trim()}
            onClick={() => {
              onConfirm();
              dialog.current?.close();
            }}
          >
            {confirm}
          </button>
        </div>
      </div>
    </dialog>
  );
}
