import type { ReactNode } from "react";

/** A message in a box. Bad ones interrupt a screen reader, others wait their turn. */
export function Notice({ tone, children }: { tone?: "good" | "bad"; children: ReactNode }) {
  return (
    <div className={`notice ${tone ?? ""}`.trim()} role={tone === "bad" ? "alert" : "status"}>
      {children}
    </div>
  );
}
