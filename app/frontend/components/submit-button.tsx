type Props = { busy: boolean; label: string; busyLabel: string; wide?: boolean };

/** Stays focusable while busy, so that nobody who uses the keyboard is thrown back to the top of the page. */
export function SubmitButton({ busy, label, busyLabel, wide }: Props) {
  return (
    <button type="submit" className={`button ${wide ? "wide" : ""}`.trim()} aria-disabled={busy}>
      {busy ? busyLabel : label}
    </button>
  );
}
