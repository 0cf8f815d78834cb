import { useEffect, useState } from "react";
import { api } from "@/lib/client/api";
import type { User } from "@/lib/types";

let asked: Promise<User | null> | undefined;

/** Asked once in the life of a page: logging in and out load a new one. */
function whoAmI(): Promise<User | null> {
  asked ??= api<{ user: User | null }>("GET", "/api/session").then(
    ({ user }) => user,
    // Without an answer the page is that of a visitor, which is right for everybody.
    () => null,
  );
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
