"use client";
import { useRouter } from "next/navigation";
import { ProblemNotice } from "@/components/problem-notice";
import type { PlainProblem } from "@/lib/problem";

/** In place of what a page could not get. Trying again asks the server anew and keeps the rest of the page as it is. */
export function PageTrouble({ problem }: { problem: PlainProblem }) {
  const router = useRouter();
  return <ProblemNotice problem={problem} onRetry={() => router.refresh()} />;
}
