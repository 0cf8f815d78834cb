"use client";
import { useRouter } from "next/navigation";
import { useTransition } from "react";

/** Has the server make the page's data anew. */
export function RefreshButton({ label }: { label: string }) {
  const router = useRouter();
  const [busy, start] = useTransition();
  return (
    <button type="button" className="button quiet" aria-disabled={busy} onClick={() => !busy && start(() => router.refresh())}>
      {label}
    </button>
  );
}
