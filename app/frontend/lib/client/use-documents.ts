import { useCallback, useEffect, useRef, useState } from "react";
import { asProblem, call } from "@/lib/client/api";
import type { PlainProblem } from "@/lib/problem";
import type { DocumentItem, Page } from "@/lib/types";

const DEBOUNCE_MS = 250;

type Documents = {
  q: string;
  page: Page<DocumentItem> | undefined;
  problem: PlainProblem | undefined;
  search: (q: string) => void;
  reload: () => void;
  more: () => Promise<void>;
};

function url(q: string, page = 1): string {
  return `documents?${new URLSearchParams({ q, page: String(page) })}`;
}

/** The list of documents: what the server rendered first, then what is searched for. A newer search cancels the older. */
export function useDocuments(query: string, first?: Page<DocumentItem>, trouble?: PlainProblem): Documents {
  const [q, setQ] = useState(query);
  const [page, setPage] = useState(first);
  const [problem, setProblem] = useState(trouble);
  const running = useRef<AbortController>(undefined);
  // What the list on the page was searched with; `q` may be ahead of it.
  const shown = useRef(query);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  const ask = useCallback(async (wanted: string) => {
    running.current?.abort();
    const mine = new AbortController();
    running.current = mine;
    try {
      const found = await call<Page<DocumentItem>>("GET", url(wanted), { signal: mine.signal });
      if (mine.signal.aborted) return;
      shown.current = wanted;
      setPage(found);
      setProblem(undefined);
      // The address follows, so that a reload or a visit to the login page comes back to the same search.
      window.history.replaceState(null, "", wanted ? `/documents?q=${encodeURIComponent(wanted)}` : "/documents");
    } catch (error) {
      if (!mine.signal.aborted) setProblem(asProblem(error));
    }
  }, []);

  useEffect(() => () => clearTimeout(timer.current), []);

  return {
    q,
    page,
    problem,
    search: (wanted) => {
      setQ(wanted);
      clearTimeout(timer.current);
      // An emptied search is shown at once: nobody is typing then.
      timer.current = setTimeout(() => void ask(wanted), wanted ? DEBOUNCE_MS : 0);
    },
    reload: () => void ask(q),
    more: async () => {
      if (!page) return;
      const { signal } = (running.current ??= new AbortController());
      try {
        const next = await call<Page<DocumentItem>>("GET", url(shown.current, page.page + 1), { signal });
        if (signal.aborted) return;
        const known = new Set(page.items.map(({ id }) => id));
        const longer = { ...next, items: [...page.items, ...next.items.filter(({ id }) => !known.has(id))] };
        // Only to the list that it continues: a search that was under way may have brought another.
        setPage((now) => (now === page ? longer : now));
        setProblem(undefined);
      } catch (error) {
        if (!signal.aborted) setProblem(asProblem(error));
      }
    },
  };
}
