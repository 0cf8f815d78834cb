"use client";
import Link from "next/link";
import { usePathname } from "next/navigation";
import type { ReactNode } from "react";

/** A link that says whether it leads to where one is. */
export function NavLink({ href, children }: { href: string; children: ReactNode }) {
  // Where the server renders, the path begins with the language that the middleware put there.
  const here = usePathname().replace(/^\/(fr|en)(?=\/|$)/, "");
  const current = here === href ? "page" : here.startsWith(`${href}/`) ? "true" : undefined;
  return (
    <Link href={href} aria-current={current} prefetch={false}>
      {children}
    </Link>
  );
}
