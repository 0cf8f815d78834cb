import { useEffect, useState } from "react";
import { api, asProblem } from "@/lib/client/api";
import type { User } from "@/lib/types";

const TRIES = 3;
/** Without a word from the server when to come back. */
const SHORT_S = 1;
/** Nobody looks at the home page for longer. */
const LONGEST_S = 60;

let asked: Promise<User | null> | undefined;

/** A limit that was reached, or a network that was away: both pass, and then the header must not be a visitor's. */
async function ask(tries: number): Promise<User | null> {
  try {
    return (await api<{ user: User | null }>("GET", "/api/session")).user;
  } catch (error) {
    const { status, retryAfter = SHORT_S } = asProblem(error);
    // Without an answer the page is that of a visitor, which is right for everybody.
    if (tries < 2 || ![0, 429].includes(status) || retryAfter > LONGEST_S) return null;
    await new Promise((resolve) => setTimeout(resolve, retryAfter * 1000));
    return ask(tries - 1);
  }
}

/** Asked once in the life of a page: logging in and out load a new one. */
function whoAmI(): Promise<User | null> {
  asked ??= ask(TRIES);
  return asked;
}

/** Who reads a page that was made at build time. Nobody, until the server has said otherwise. */
export function useUser(): User | null {
  const [user, setUser] = useState<User | null>(null);
  useEffect(() => {
    let here = true;
    void whoAmI().then((found) => here && setUser(found));
    return () => {
      here = false;
    };
  }, []);
  return user;
}
