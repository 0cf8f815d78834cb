"use client";
import { useSyncExternalStore } from "react";
import { moment } from "@/lib/format";
import { useWords } from "@/words/client";

const never = () => () => undefined;

/** A moment in the reader's own time zone, which only the browser knows; until then in UTC. */
export function When({ iso }: { iso: string }) {
  const { locale } = useWords();
  const text = useSyncExternalStore(
    never,
    () => moment(iso, locale),
    () => `${moment(iso, locale, "UTC")} UTC`,
  );
  return <time dateTime={iso}>{text}</time>;
}
