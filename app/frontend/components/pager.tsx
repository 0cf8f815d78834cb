import Link from "next/link";
import type { Page } from "@/lib/types";

/** Numbers of the other pages of a list; nothing for a list of one page. */
export function Pager({ path, page: { page, per_page, total } }: { path: string; page: Page<unknown> }) {
  const last = Math.ceil(total / per_page);
  if (last < 2) return null;
  const near = Array.from({ length: last }, (_, n) => n + 1).filter((n) => n === 1 || n === last || Math.abs(n - page) < 3);
  return (
    <nav aria-label={`${page} / ${last}`}>
      <ul className="row">
        {near.map((n) => (
          <li key={n}>{n === page ? <strong aria-current="page">{n}</strong> : <Link href={`${path}?page=${n}`}>{n}</Link>}</li>
        ))}
      </ul>
    </nav>
  );
}
