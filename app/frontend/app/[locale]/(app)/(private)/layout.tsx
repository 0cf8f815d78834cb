import type { ReactNode } from "react";
import { requireUser } from "@/lib/server/load";

/** Pages that are somebody's own. Here, outside of what loads later, so that the answer is a true redirect. */
export default async function PrivateLayout({ children }: { children: ReactNode }) {
  await requireUser();
  return children;
}
