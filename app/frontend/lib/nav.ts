import type { Role } from "@/lib/types";
import type { Key } from "@/words";

export type NavItem = { href: string; label: Key };

const DOCUMENTS: NavItem = { href: "/documents", label: "nav.documents" };
const QUIZZES: NavItem = { href: "/quizzes", label: "nav.quizzes" };
const OVERVIEW: NavItem = { href: "/overview", label: "nav.overview" };
const STATUS: NavItem = { href: "/status", label: "nav.status" };

const NAV: Record<Role, NavItem[]> = {
  teacher: [DOCUMENTS, QUIZZES, OVERVIEW],
  student: [QUIZZES],
  operator: [STATUS, DOCUMENTS, QUIZZES, OVERVIEW],
};

/** What a person's role brings to the header. What they may do is the backend's to decide. */
export function navOf(role: Role): NavItem[] {
  return NAV[role] ?? NAV.student;
}

/** Where a person's work begins. */
export function startOf(role: Role): string {
  return navOf(role)[0]?.href ?? "/quizzes";
}
